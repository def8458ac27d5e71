namespace Conduit

open System
open System.IO
open System.Net.Http
open System.Net.Http.Headers
open System.Text.Json
open System.Threading
open System.Threading.Tasks

/// Why the admin API did not do what it was asked.
[<RequireQualifiedAccess>]
type ApiFailure =
    /// Nobody answers there.
    | Unreachable of reason: string
    /// It answered no; the problem says why.
    | Refused of Wire.Problem
    /// Something answered that is no admin port.
    | Foreign of status: int

/// What an answer says, and the text of it.
type Answered<'a> = { Value: 'a; Text: string }

/// Reads what the admin API says.
[<RequireQualifiedAccess>]
module private Answered =

    /// Nothing where the text is not what is asked for.
    let parse<'a when 'a: not null and 'a: not struct> (text: string) : 'a option =
        try
            match JsonSerializer.Deserialize<'a>(text, Wire.options) with
            | null -> None
            | value -> Some value
        with :? JsonException ->
            None

/// The admin API, typed. Failures are values.
[<Sealed>]
type ApiClient(adminUrl: Uri, token: string option) =

    let client =
        new HttpClient(
            new SocketsHttpHandler(
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                ConnectTimeout = TimeSpan.FromSeconds 5.0
            ),
            BaseAddress = adminUrl,
            // A stream of events goes on; other requests have their own limit.
            Timeout = Timeout.InfiniteTimeSpan
        )

    let patience = TimeSpan.FromSeconds 30.0

    let request (method: HttpMethod) (path: string) (body: obj option) =
        let request = new HttpRequestMessage(method, "/api/v1" + path)
        request.Headers.Add("X-Conduit-Request", "1")

        token
        |> Option.iter (fun token ->
            request.Headers.Authorization <- AuthenticationHeaderValue("Bearer", token))

        body
        |> Option.iter (fun body ->
            let json = JsonSerializer.SerializeToUtf8Bytes(body, body.GetType(), Wire.options)
            let content = new ByteArrayContent(json)
            content.Headers.ContentType <- MediaTypeHeaderValue "application/json"
            request.Content <- content)

        request

    let failure (response: HttpResponseMessage) (text: string) =
        match Answered.parse<Wire.Problem> text with
        | Some problem when not (isNull (box problem.Title)) -> ApiFailure.Refused problem
        | _ -> ApiFailure.Foreign(int response.StatusCode)

    /// Sends, and turns what HttpClient throws into a failure.
    let attempt (work: unit -> Task<Result<'a, ApiFailure>>) : Task<Result<'a, ApiFailure>> = task {
        try
            return! work ()
        with
        | :? HttpRequestException as error ->
            let reason =
                match error.InnerException with
                | null -> error.Message
                | inner -> inner.Message

            return Error(ApiFailure.Unreachable reason)
        | :? IOException as error -> return Error(ApiFailure.Unreachable error.Message)
        | :? OperationCanceledException -> return Error(ApiFailure.Unreachable "no answer in time")
    }

    let send method path body : Task<Result<string, ApiFailure>> =
        attempt (fun () -> task {
            use limit = new CancellationTokenSource(patience)
            use request = request method path body
            use! response = client.SendAsync(request, limit.Token)
            let! text = response.Content.ReadAsStringAsync limit.Token

            return
                if response.IsSuccessStatusCode then
                    Ok text
                else
                    Error(failure response text)
        })

    let typed (answer: Task<Result<string, ApiFailure>>) : Task<Result<Answered<'a>, ApiFailure>> = task {
        let! answer = answer

        return
            answer
            |> Result.bind (fun text ->
                match Answered.parse<'a> text with
                | Some value -> Ok { Value = value; Text = text }
                | None -> Error(ApiFailure.Foreign 200))
    }

    let backends (pool: string) =
        $"/pools/{Uri.EscapeDataString pool}/backends"

    let one pool (id: string) =
        $"{backends pool}/{Uri.EscapeDataString id}"

    member _.Pools() : Task<Result<Answered<Wire.Pools>, ApiFailure>> =
        send HttpMethod.Get "/pools" None |> typed

    member _.Config() : Task<Result<Answered<Wire.Config>, ApiFailure>> =
        send HttpMethod.Get "/config" None |> typed

    member _.Differences() : Task<Result<Answered<Wire.Differences>, ApiFailure>> =
        send HttpMethod.Get "/config/diff" None |> typed

    member _.Reload() : Task<Result<Answered<Wire.Reload>, ApiFailure>> =
        send HttpMethod.Post "/reload" None |> typed

    member _.Backend(pool, id) : Task<Result<Answered<Wire.Backend>, ApiFailure>> =
        send HttpMethod.Get (one pool id) None |> typed

    member private _.Page(pool, offset) : Task<Result<Answered<Wire.Backends>, ApiFailure>> =
        send HttpMethod.Get $"{backends pool}?limit=1000&offset={offset}" None |> typed

    /// All backends of a pool, page by page.
    member this.Backends(pool) : Task<Result<Wire.Backend list, ApiFailure>> = task {
        let mutable pages = []
        let mutable result = Ok []
        let mutable going = true

        while going do
            match! this.Page(pool, pages |> List.sumBy Array.length) with
            | Error failure ->
                result <- Error failure
                going <- false
            | Ok page ->
                pages <- page.Value.Backends :: pages
                result <- Ok(pages |> List.rev |> Seq.concat |> Seq.toList)

                going <-
                    page.Value.Backends.Length > 0
                    && pages |> List.sumBy Array.length < page.Value.Total

        return result
    }

    /// Sets the parts that `change` has.
    member _.Change(pool, id, change: obj) : Task<Result<Answered<Wire.Backend>, ApiFailure>> =
        send HttpMethod.Patch (one pool id) (Some change) |> typed

    member this.SetState(pool, id, state: AdminState) =
        this.Change(pool, id, {| state = Wire.ofState state |})

    member _.Add(pool, addition: obj) : Task<Result<Answered<Wire.Backend>, ApiFailure>> =
        send HttpMethod.Post (backends pool) (Some addition) |> typed

    member _.Remove(pool, id) : Task<Result<string, ApiFailure>> =
        send HttpMethod.Delete (one pool id) None

    /// Hands over the data of each event until the server ends the stream, or `leave` is cancelled.
    member _.Events
        (hear: Answered<Wire.Event> -> unit, leave: CancellationToken)
        : Task<Result<unit, ApiFailure>> =
        attempt (fun () -> task {
            use request = request HttpMethod.Get "/events" None

            use! response =
                client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leave)

            if not response.IsSuccessStatusCode then
                let! text = response.Content.ReadAsStringAsync leave
                return Error(failure response text)
            else
                use! stream = response.Content.ReadAsStreamAsync leave
                use reader = new StreamReader(stream)
                let mutable going = true

                while going do
                    match! reader.ReadLineAsync leave with
                    | null -> going <- false
                    | line when line.StartsWith "data: " ->
                        let text = line.Substring 6

                        Answered.parse<Wire.Event> text
                        |> Option.iter (fun value -> hear { Value = value; Text = text })
                    | _ -> ()

                return Ok()
        })

    interface IDisposable with
        member _.Dispose() = client.Dispose()
