namespace Conduit.Server.Tests

open System
open System.IO
open System.Net.Http
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// The stream of live figures.
module AdminLiveTests =

    let private backends = [ "http://10.0.0.1:8081;id=a"; "http://10.0.0.2:8081;id=b" ]

    let private set (ports: ControlPorts) id news = task {
        let! _ = ports.Agent.Update [ Event.InPool(PoolName.defaultPool, news id) ]
        return ()
    }

    let private idOf (ports: ControlPorts) (text: string) =
        ports.Agent.Current.Pools
        |> Seq.collect _.Targets
        |> Seq.map _.Backend.Spec.Id
        |> Seq.find (fun id -> BackendId.value id = text)

    /// Kind and number of the frame that somebody is sent who has seen others, and the backends in it.
    let private read (seen: int64) (frame: LiveFrame) =
        let lines = (Text.Encoding.UTF8.GetString(LiveFrame.since seen frame)).Split '\n'

        let value (name: string) =
            lines |> Array.find _.StartsWith(name) |> _.Substring(name.Length)

        let data = JsonDocument.Parse(value "data: ").RootElement

        let ids = [
            for backend in data.GetProperty("backends").EnumerateArray() ->
                string (backend.GetProperty("id").GetString())
        ]

        Assert.Equal(string frame.Number, value "id: ")
        value "event: ", ids

    let private frames (changes: (ControlPorts -> Task<unit>) list) = task {
        let ports = AdminPorts.ports (AdminPorts.defaultPool backends)
        let mutable made = [ LiveFrame.next None (Views.live ports) ]

        for change in changes do
            do! change ports
            made <- LiveFrame.next (Some made.Head) (Views.live ports) :: made

        return List.rev made
    }

    [<Fact>]
    let ``the first frame is whole, and those that follow have what changed`` () = task {
        let! made =
            frames [
                (fun ports -> set ports (idOf ports "b") (fun id -> PoolEvent.Checked(id, Some "refused")))
                (fun _ -> Task.FromResult())
            ]

        Assert.Equal<(string * string list) list>(
            [ "whole", [ "a"; "b" ]; "change", [ "b" ]; "change", [] ],
            made
            |> List.mapi (fun index frame -> read (if index = 0 then -1L else int64 index) frame)
        )
    }

    [<Fact>]
    let ``who has missed a frame gets all backends`` () = task {
        let! made = frames [ (fun _ -> Task.FromResult()); (fun _ -> Task.FromResult()) ]
        Assert.Equal(("whole", [ "a"; "b" ]), read 1L (List.last made))
        Assert.Equal(("whole", [ "a"; "b" ]), read -1L (List.last made))
        Assert.Equal(("change", []), read 2L (List.last made))
    }

    [<Fact>]
    let ``where a backend has left, all get the others`` () = task {
        let! made = frames [ (fun ports -> set ports (idOf ports "a") PoolEvent.Removed) ]
        Assert.Equal(("whole", [ "b" ]), read 1L (List.last made))
    }

    let private empty: Wire.Live = Views.live (AdminPorts.ports [])

    let private settings = { LiveStream.settings with Most = 2 }

    [<Fact>]
    let ``however many watch, the figures are read once, and not at all while nobody does`` () = task {
        let clock = SteppingClock()
        let mutable reads = 0

        let broadcast =
            LiveBroadcast(
                settings,
                clock,
                fun () ->
                    reads <- reads + 1
                    empty
            )

        Assert.Equal(0, reads)
        let one = broadcast.Join()
        let other = broadcast.Join()
        do! clock.Step()
        do! clock.Step()
        Assert.Equal(3, reads)
        let! frame = broadcast.After -1L |> Eventually.finishes "the newest frame"
        let! same = broadcast.After 2L |> Eventually.finishes "the newest frame"
        Assert.Equal(3L, frame.Number)
        Assert.Same(frame, same)
        Assert.False (broadcast.After 3L).IsCompleted

        Option.iter (fun (place: IDisposable) -> place.Dispose()) one
        Option.iter (fun (place: IDisposable) -> place.Dispose()) other
        Assert.False (broadcast.After -1L).IsCompleted
        let again = broadcast.Join()
        Assert.Equal(4, reads)
        let! first = broadcast.After -1L |> Eventually.finishes "a frame of its own"
        Assert.Equal(1L, first.Number)
        Option.iter (fun (place: IDisposable) -> place.Dispose()) again
    }

    [<Fact>]
    let ``no more than so many may watch`` () =
        let broadcast = LiveBroadcast(settings, SteppingClock(), fun () -> empty)
        let places = [ for _ in 1..3 -> broadcast.Join() ]
        Assert.Equal<bool list>([ true; true; false ], places |> List.map _.IsSome)
        places.Head |> Option.iter _.Dispose()
        Assert.True (broadcast.Join()).IsSome

    [<Fact>]
    let ``who watches is told of a defect, and does not wait for ever`` () : Task = task {
        let broadcast =
            LiveBroadcast(settings, SteppingClock(), fun () -> failwith "a defect")

        let before = broadcast.After -1L
        use _ = broadcast.Join() |> Option.get
        let! error = Assert.ThrowsAnyAsync<exn>(fun () -> before)
        Assert.Equal("a defect", error.Message)
    }

    [<Fact>]
    let ``the port streams frames until it stops`` () =
        AdminPorts.run backends (fun port -> task {
            use! answer =
                port.Client.GetAsync("/api/v1/live", HttpCompletionOption.ResponseHeadersRead)

            Assert.Equal("text/event-stream", string answer.Content.Headers.ContentType)
            use reader = new StreamReader(answer.Content.ReadAsStream())
            let! first = reader.ReadLineAsync() |> Eventually.finishes "the first line"
            let! second = reader.ReadLineAsync() |> Eventually.finishes "the second line"
            Assert.Equal("id: 1", string first)
            Assert.Equal("event: whole", string second)
            do! port.Stop().WaitAsync Eventually.patience
            let! rest = reader.ReadToEndAsync() |> Eventually.finishes "the end of the stream"
            Assert.Contains("\"id\":\"b\"", rest)
        })
