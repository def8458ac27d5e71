namespace Conduit.Server

open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit
open Conduit.Transport

/// Requests without a body, which is the rule. It is kept with the client's connection and serves one
/// request after another, so that a request costs no allocation.
[<Sealed>]
type DirectConversation(exchange: Exchange, client: BackendClient) =
    inherit Conversation<TryResult>()

    let mutable target = Unchecked.defaultof<Target>
    let mutable timeouts = Unchecked.defaultof<Timeouts>
    let mutable passage = Unchecked.defaultof<Passage>
    let mutable isFresh = false

    let poolOf () =
        let url = target.Backend.Spec.Url
        client.Pool(url.Host, url.Port)

    let isIdempotent () =
        Retry.isIdempotent exchange.Http.Request.Method

    /// Whether a kept connection was closed by the backend just then, before it saw the request: that says
    /// nothing about the backend, and a new connection tells.
    let isStale (connection: BackendConnection | null) (error: exn | null) =
        match error with
        | :? BackendFaultException as fault ->
            match connection with
            | null -> false
            | connection ->
                connection.IsReused
                && not connection.HasAnswered
                && (fault.Kind = BackendFaultKind.Closed || fault.Kind = BackendFaultKind.Refused)
                && isIdempotent ()
        | _ -> false

    let answerLater (connection: BackendConnection) : Task = task {
        do! DirectExchange.readFinalHead exchange connection
        do! DirectExchange.answer exchange passage connection false
    }

    /// That of a client connection; made with its first request.
    static member Of(exchange: Exchange, client: BackendClient) =
        match exchange.Kept with
        | :? DirectConversation as kept -> kept
        | _ ->
            let made = DirectConversation(exchange, client)
            exchange.Kept <- made
            made

    member this.Run(towards: Target, within: Timeouts, along: Passage) : ValueTask<TryResult> =
        target <- towards
        timeouts <- within
        passage <- along
        isFresh <- false
        this.RunAsync()

    override _.IsHead = HttpMethods.IsHead exchange.Http.Request.Method

    override _.TryTake() =
        exchange.BeginTry timeouts
        let mutable idle: BackendConnection | null = null

        if not isFresh && DirectExchange.isKept target && poolOf().TryRent &idle then
            idle
        else
            null

    override _.ConnectAsync() =
        ValueTask<BackendConnection>(DirectExchange.connect exchange target timeouts (poolOf ()))

    override _.Begin connection =
        exchange.Arm timeouts.Response
        exchange.Hold connection
        DirectRequest.write connection.Request passage exchange target false

    override _.AnswerAsync connection =
        if DirectExchange.isInterim connection.Head then
            answerLater connection
        else
            DirectExchange.answer exchange passage connection false

    override _.End(connection, error, result) =
        exchange.EndTry()
        let repeats = not isFresh && isStale connection error

        result <- {
            Outcome =
                match error with
                | null -> DirectExchange.answered exchange
                | error -> DirectExchange.outcomeOf exchange connection null error
            BodySpent = false
        }

        match connection with
        | null -> ()
        | connection ->
            exchange.LetGo()
            connection.Release(isNull error && DirectExchange.isKept target)

        isFresh <- true
        not repeats
