namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.Threading
open System.Threading.Tasks
open Conduit

/// IMPURE: follows the names that stand for all of their addresses. Asks for a name again when its answer
/// is no longer good, and tells the agent. A question that is not answered changes nothing.
[<Sealed>]
type Resolver(agent: Agent, log: Log) =

    let followed =
        ConcurrentDictionary<struct (PoolName * BackendId * BackendUrl), CancellationTokenSource>()

    [<VolatileField>]
    let mutable settings = ResolverSettings.defaults

    [<VolatileField>]
    let mutable lookup = NameLookup.system

    /// The addresses of a name, at least one, and for how long; or why there are none.
    let ask (name: string) (limit: TimeSpan) (stopping: CancellationToken) = task {
        use patience = CancellationTokenSource.CreateLinkedTokenSource stopping
        patience.CancelAfter limit

        try
            match! lookup name patience.Token with
            | Ok answer when answer.Addresses.IsEmpty -> return Error "it has no address"
            | answer -> return answer
        with
        | :? OperationCanceledException -> return Error "no answer in time"
        // Whatever else happens, a name that is not asked for again would not be followed.
        | error -> return Error(error.GetType().Name)
    }

    let follow pool id host (first: TaskCompletionSource) (stopping: CancellationToken) : Task = task {
        let mutable failing = false

        try
            while not stopping.IsCancellationRequested do
                let current = settings
                // A question may be asked twice.
                let! answer = ask host (2.0 * current.Timeout) stopping
                let mutable wait = current.MinInterval

                if not stopping.IsCancellationRequested then
                    match answer with
                    | Ok found ->
                        let resolved = PoolEvent.Resolved(id, found.Addresses)
                        let! _ = agent.Update [ Event.InPool(pool, resolved) ]

                        wait <-
                            found.GoodFor
                            |> Option.defaultValue current.MaxInterval
                            |> max current.MinInterval
                            |> min current.MaxInterval
                    | Error why when not failing -> log.NotResolved(host, why)
                    | Error _ -> ()

                failing <- answer.IsError
                first.TrySetResult() |> ignore
                do! Task.Delay(wait, stopping)
        with :? OperationCanceledException ->
            ()
    }

    let forget (key: struct (PoolName * BackendId * BackendUrl)) =
        match followed.TryRemove key with
        | true, source -> source.Cancel()
        | _ -> ()

    /// Follows the names that are configured, by these settings, and no others. The task ends when each new
    /// one has its first addresses, or could not be resolved.
    member _.Sync(current: ResolverSettings) : Task =
        if current.Servers <> settings.Servers || current.Timeout <> settings.Timeout then
            lookup <- NameLookup.ofSettings current

        settings <- current

        let wanted = [
            for view in agent.Current.Pools do
                for name in view.Source.Names.Values ->
                    // Another host under the same id is another name.
                    struct (view.Source.Name, name.Spec.Id, name.Spec.Url)
        ]

        for key in followed.Keys do
            if not (List.contains key wanted) then
                forget key

        let begun = [
            for key in wanted do
                let source = new CancellationTokenSource()

                if followed.TryAdd(key, source) then
                    let first = TaskCompletionSource TaskCreationOptions.RunContinuationsAsynchronously
                    let struct (pool, id, url) = key
                    Task.Run(fun () -> follow pool id url.Host first source.Token) |> ignore
                    first.Task
        ]

        Task.WhenAll begun

    interface IDisposable with
        member _.Dispose() =
            for source in followed.Values do
                source.Cancel()
