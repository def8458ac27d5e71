namespace Conduit.Server.Tests

open System.Text.Json
open System.Threading
open Xunit
open Conduit.Server
open Conduit.Server.Ctl

/// `conduit ctl watch` where there is no terminal.
module CtlWatchTests =

    let private start (screen: CtlScreen) (port: AdminPort) leave argv =
        let variable name =
            if name = "CONDUIT_ADMIN_URL" then Some port.Url else None

        Ctl.run screen.Console variable leave argv

    /// Publishes until the watcher, who has to connect first, has heard of it.
    let private heard (port: AdminPort) (screen: CtlScreen) (words: string) =
        Eventually.holds words (fun () ->
            port.Ports.Events.Publish ControlEvent.Stopping
            screen.Out.Contains words)

    [<Fact>]
    let ``events are lines, until the user leaves`` () =
        AdminPorts.run [ "http://10.0.0.1:8081;id=a" ] (fun port -> task {
            use leave = new CancellationTokenSource()
            let screen = CtlScreen 200
            let watching = start screen port leave.Token [| "watch" |]
            do! heard port screen "12:00:00  stopping\n"
            let! _ = port.Write "PATCH" (AdminPorts.path "a") [] """{"state":"draining"}"""
            let line = "12:00:00  backend state  a  http://10.0.0.1:8081  draining\n"
            do! Eventually.holds line (fun () -> screen.Out.Contains line)
            leave.Cancel()
            let! code = watching |> Eventually.finishes "the watch"
            Assert.Equal((0, ""), (code, screen.Errors))
        })

    [<Fact>]
    let ``events are lines of JSON where that is asked for, of one pool only`` () =
        AdminPorts.run [ "http://10.0.0.1:8081;id=a" ] (fun port -> task {
            use leave = new CancellationTokenSource()
            let screen = CtlScreen 200

            let watching =
                start screen port leave.Token [| "watch"; "--json"; "--pool"; "web" |]

            do! heard port screen "stopping"
            let! _ = port.Write "PATCH" (AdminPorts.path "a") [] """{"state":"draining"}"""
            port.Ports.Events.Publish(ControlEvent.Reloaded { Version = 9; Changes = [] })
            do! Eventually.holds "the reload" (fun () -> screen.Out.Contains "reloaded")
            leave.Cancel()
            let! code = watching |> Eventually.finishes "the watch"
            Assert.Equal(0, code)

            for line in screen.Out.Trim().Split '\n' do
                let kind = JsonDocument.Parse(line).RootElement.GetProperty("type").GetString()
                Assert.Contains(kind, [ "stopping"; "reloaded" ])
        })

    [<Fact>]
    let ``a stream that the server ends is exit code 2`` () =
        AdminPorts.run [] (fun port -> task {
            let screen = CtlScreen 200
            let watching = start screen port CancellationToken.None [| "watch" |]
            do! heard port screen "stopping"
            do! port.Stop()
            let! code = watching |> Eventually.finishes "the watch"
            Assert.Equal((2, "the admin port has ended the stream\n"), (code, screen.Errors))
        })

    [<Fact>]
    let ``a watch without the token is refused`` () =
        AdminPorts.runClosed [] (fun port -> task {
            let screen = CtlScreen 200

            let! code =
                start screen port CancellationToken.None [| "watch" |]
                |> Eventually.finishes "the watch"

            Assert.Equal(1, code)
            Assert.StartsWith("A token is needed", screen.Errors)
        })
