module Conduit.Server.Tests.LegacyFilesTests

open System.Threading.Tasks
open Xunit
open Conduit.Server

/// The files of existing systems, as the reference shows them, start a balancer that balances.

let private shown (mark: string) =
    Documents.files "docs/configuration.md"
    |> List.filter (fun file -> file.Text.Contains mark)
    |> List.exactlyOne

let private freePort () =
    use refusing = new RefusingPort()
    refusing.Port

let private started (source: ConfigSource) (log: CapturedLog) : Task<Running> = task {
    match! LoadBalancer.Start(source, log.Factory) with
    | Ok balancer -> return Running(balancer, log)
    | Error failure -> return failwith $"%A{failure}"
}

[<Theory>]
[<InlineData("lb_port: ", "3332")>]
[<InlineData("cookie_name: session_id", "8080")>]
[<InlineData("\"cookie_name\": \"lb_session\"", "8080")>]
let ``a file of an existing system starts, and its backends answer`` (mark: string, port: string) = task {
    use first = ScriptedBackend.Start(Script.always (Script.ok "first"))
    use second = ScriptedBackend.Start(Script.always (Script.ok "second"))
    use directory = new ConfigDirectory()
    use log = new CapturedLog()
    let file, own = shown mark, freePort ()
    let name = $"c.{file.Language}"

    // Only the ports are the test's.
    file.Text
        .Replace("http://localhost:8081", first.Url)
        .Replace("http://localhost:8082", second.Url)
        .Replace(port, string own)
    |> directory.Write name

    let source = {
        File = Some(directory.Path name)
        Overlay = [ Overlay.value [ "admin"; "port" ] "--admin-port" "0" ]
    }

    use! running = started source log
    Assert.Equal(own, running.Port)
    let answers = ResizeArray<string>()

    for _ in 1..8 do
        let! response = running.Get "/any/path?x=1"
        answers.Add(Message.text response)

    Assert.Equal<string list>([ "first"; "second" ], answers |> Seq.distinct |> Seq.sort |> List.ofSeq)
}
