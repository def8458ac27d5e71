namespace Conduit.Server.Ctl

open System
open System.Diagnostics
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Argu
open Conduit
open Conduit.Server

/// What each command of `conduit ctl` does; each gives its exit code.
[<RequireQualifiedAccess>]
module CtlCommands =

    /// Shows an answer: its JSON, or what `show` makes of it.
    let private answer
        (console: CtlConsole)
        (settings: CtlSettings)
        (asked: Task<Result<Answered<'a>, ApiFailure>>)
        show
        = task {
        match! asked with
        | Error failure -> return console.Fail(settings.AdminUrl, failure)
        | Ok answered when settings.Json ->
            console.Json answered.Text
            return ExitCode.ok
        | Ok answered ->
            show answered.Value
            return ExitCode.ok
    }

    let private tellConfig (console: CtlConsole) (config: Wire.Config) =
        let source = config.Source |> Option.defaultValue "the command line"
        console.Line $"configuration {config.Version} from {source}, loaded {config.LoadedAt:u}"

        config.LastFailure
        |> Option.iter (fun failure ->
            console.Line $"refused {failure.At:u}:"

            for fault in failure.Faults do
                console.Line $"  {fault.Where}: {fault.What}; {fault.Remedy}")

    let status (console: CtlConsole) (client: ApiClient) (settings: CtlSettings) : Task<int> = task {
        let! config = client.Config()
        let! pools = client.Pools()

        match config, pools with
        | Error failure, _
        | _, Error failure -> return console.Fail(settings.AdminUrl, failure)
        | Ok config, Ok pools when settings.Json ->
            let list = JsonSerializer.Serialize(pools.Value.Pools, Wire.options)
            console.Json $"{{\"config\":{config.Text},\"pools\":{list}}}"
            return ExitCode.ok
        | Ok config, Ok pools ->
            console.Table(CtlTables.pools pools.Value)
            tellConfig console config.Value
            return ExitCode.ok
    }

    let backends (console: CtlConsole) (client: ApiClient) (settings: CtlSettings) : Task<int> = task {
        match! client.Backends settings.Pool with
        | Error failure -> return console.Fail(settings.AdminUrl, failure)
        | Ok backends when settings.Json ->
            console.Json(JsonSerializer.Serialize({| backends = backends |}, Wire.options))
            return ExitCode.ok
        | Ok backends ->
            console.Table(CtlTables.backends backends)
            return ExitCode.ok
    }

    let private one (console: CtlConsole) (backend: Wire.Backend) =
        console.Line $"{backend.Id} is {backend.State}, weight {backend.Weight}, {backend.InFlight} in flight"

    let change (console: CtlConsole) (client: ApiClient) (settings: CtlSettings) id (wanted: obj) =
        answer console settings (client.Change(settings.Pool, id, wanted)) (one console)

    let private poll = TimeSpan.FromMilliseconds 200.0

    /// Waits until nothing is in flight. A backend that has left its pool cannot be seen any more.
    let private settle
        (console: CtlConsole)
        (client: ApiClient)
        (settings: CtlSettings)
        id
        (limit: TimeSpan)
        (leave: CancellationToken)
        : Task<int> = task {
        let clock = Stopwatch.StartNew()
        let mutable code = None

        while code.IsNone do
            match! client.Backend(settings.Pool, id) with
            | Error failure -> code <- Some(console.Fail(settings.AdminUrl, failure))
            | Ok backend when backend.Value.InFlight = 0 ->
                if settings.Json then
                    console.Json backend.Text
                else
                    console.Line $"{id} is drained: 0 in flight"

                code <- Some ExitCode.ok
            | Ok backend when clock.Elapsed >= limit ->
                console.Complain
                    $"{id} still has {backend.Value.InFlight} in flight after {Duration.format limit}"

                code <- Some ExitCode.timeout
            | Ok _ -> do! Task.Delay(poll, leave)

        return Option.defaultValue ExitCode.ok code
    }

    let drain
        (console: CtlConsole)
        (client: ApiClient)
        (settings: CtlSettings)
        (parsed: ParseResults<DrainArgument>)
        leave
        = task {
        let id = parsed.GetResult DrainArgument.Id

        let limit =
            parsed.TryGetResult DrainArgument.Timeout
            |> Option.defaultValue "60s"
            |> Duration.parse "--timeout"

        match limit with
        | Error fault -> return console.Faults [ fault ]
        | Ok _ when not (parsed.Contains DrainArgument.Wait) ->
            return! change console client settings id {| state = "draining" |}
        | Ok limit ->
            match! client.Change(settings.Pool, id, {| state = "draining" |}) with
            | Error failure -> return console.Fail(settings.AdminUrl, failure)
            | Ok _ -> return! settle console client settings id limit leave
    }

    let weight (console: CtlConsole) client (settings: CtlSettings) (parsed: ParseResults<WeightArgument>) =
        let id, text = parsed.GetResult WeightArgument.Backend

        match Weight.parse "WEIGHT" text with
        | Error fault -> Task.FromResult(console.Faults [ fault ])
        | Ok weight -> change console client settings id {| weight = Weight.value weight |}

    let add
        (console: CtlConsole)
        (client: ApiClient)
        (settings: CtlSettings)
        (parsed: ParseResults<AddArgument>)
        =
        let weight =
            parsed.TryGetResult AddArgument.Weight |> Option.map (Weight.parse "--weight")

        match weight with
        | Some(Error fault) -> Task.FromResult(console.Faults [ fault ])
        | _ ->
            let addition = {|
                url = parsed.GetResult AddArgument.Url
                id = parsed.TryGetResult AddArgument.Id
                weight = weight |> Option.bind Result.toOption |> Option.map Weight.value
                backup = parsed.Contains AddArgument.Backup
            |}

            answer console settings (client.Add(settings.Pool, addition)) (one console)

    let remove (console: CtlConsole) (client: ApiClient) (settings: CtlSettings) id = task {
        match! client.Remove(settings.Pool, id) with
        | Error failure -> return console.Fail(settings.AdminUrl, failure)
        | Ok _ ->
            if not settings.Json then
                console.Line $"{id} is removed"

            return ExitCode.ok
    }

    let reload (console: CtlConsole) (client: ApiClient) (settings: CtlSettings) =
        answer console settings (client.Reload()) (fun reload ->
            console.Line $"configuration {reload.Version} is in force"

            if reload.Changes.Length = 0 then
                console.Line "nothing has changed"

            for change in reload.Changes do
                console.Line $"  {change}")

    let diff (console: CtlConsole) (client: ApiClient) (settings: CtlSettings) =
        answer console settings (client.Differences()) (fun differences ->
            if differences.Differences.Length = 0 then
                console.Line "the running state is what the file says"
            else
                console.Table(CtlTables.differences differences))
