namespace Conduit.Server.Tests

open System
open System.Collections.Generic
open System.Net
open System.Net.Http
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Xunit
open Conduit
open Conduit.Server

/// An answer of the admin port.
type AdminAnswer = {
    Status: int
    ContentType: string
    Etag: string
    Text: string
    /// Any other header; empty where it is absent.
    Header: string -> string
} with

    member this.Json = JsonDocument.Parse(this.Text).RootElement

/// An admin port under test, over an agent without a balancer.
[<Sealed>]
type AdminPort(admin: Admin, ports: ControlPorts, log: CapturedLog) =
    let client =
        new HttpClient(
            new SocketsHttpHandler(UseProxy = false, AllowAutoRedirect = false),
            BaseAddress = Uri admin.Url,
            Timeout = Eventually.patience
        )

    static let headerOf (answer: HttpResponseMessage) (name: string) =
        let found =
            Seq.append answer.Headers.NonValidated answer.Content.Headers.NonValidated
            |> Seq.filter (fun pair -> pair.Key.Equals(name, StringComparison.OrdinalIgnoreCase))
            |> Seq.map (fun pair -> string pair.Value)

        String.concat ", " found

    member _.Url = admin.Url
    member _.Ports = ports
    member _.Log = log
    member _.Client = client

    member _.Targets = ports.Agent.Current.Pools |> Array.collect _.Targets

    member this.Target id =
        this.Targets
        |> Array.find (fun target -> BackendId.value target.Backend.Spec.Id = id)

    member _.Stop() = admin.Stop CancellationToken.None

    /// Sends just what it is given; a body brings no content type with it.
    member _.Send (method: string) (path: string) (headers: (string * string) list) (body: string option) =
        task {
            use request = new HttpRequestMessage(HttpMethod method, path)

            body
            |> Option.iter (fun text -> request.Content <- new ByteArrayContent(Encoding.UTF8.GetBytes text))

            for name, value in headers do
                if not (request.Headers.TryAddWithoutValidation(name, value)) then
                    let content =
                        match request.Content with
                        | null ->
                            let none = new ByteArrayContent([||])
                            request.Content <- none
                            none :> HttpContent
                        | content -> content

                    content.Headers.TryAddWithoutValidation(name, value) |> ignore

            use! answer = client.SendAsync request
            let! text = answer.Content.ReadAsStringAsync()

            return {
                Status = int answer.StatusCode
                ContentType = headerOf answer "Content-Type"
                Etag = headerOf answer "ETag"
                Text = text
                Header = headerOf answer
            }
        }

    member this.Get path = this.Send "GET" path [] None

    /// Sends JSON, as a well-behaved client does.
    member this.Write method path headers (json: string) =
        this.Send method path (("Content-Type", "application/json") :: headers) (Some json)

    interface IAsyncDisposable with
        member _.DisposeAsync() =
            client.Dispose()
            (admin :> IAsyncDisposable).DisposeAsync()

/// Starting admin ports.
[<RequireQualifiedAccess>]
module AdminPorts =

    let token = "a-token-for-the-tests"

    let closed: AdminAccess =
        match (Secret.token "test" token |> Result.map AdminToken.OfSecret) with
        | Ok token -> {
            AdminAccess.local with
                Token = Some token
          }
        | Error fault -> failwith (Fault.render fault)

    let spec text =
        match BackendSpec.parse "test" text with
        | Ok spec -> spec
        | Error faults -> failwith $"%A{faults}"

    /// The path of a backend of the default pool.
    let path (id: string) =
        $"/api/v1/pools/default/backends/{Uri.EscapeDataString id}"

    /// A time that stands still.
    [<Sealed>]
    type private Noon() =
        inherit TimeProvider()

        override _.GetUtcNow() =
            DateTimeOffset(2026, 11, 20, 12, 0, 0, TimeSpan.Zero)

    let private status: ConfigStatus = {
        Version = 3
        LoadedAt = DateTimeOffset(2026, 11, 20, 10, 0, 0, TimeSpan.Zero)
        Source = Some "/etc/conduit/conduit.yaml"
        Hash = Some(String('0', 64))
        Changes = [ "drain_timeout: 5s" ]
        LastFailure =
            Some {
                At = DateTimeOffset(2026, 11, 20, 11, 0, 0, TimeSpan.Zero)
                Faults = [ Fault.create "conduit.yaml:1:1: lb_port" "is missing" "set it" ]
            }
    }

    let ports (events: Event list) : ControlPorts =
        let clock = Noon()
        let control = ControlEvents clock
        let notes = BackendNotes clock
        let changes = FSharp.Control.Event<Change>()
        changes.Publish.Add notes.Follow
        changes.Publish.Add(ControlEvent.Changed >> control.Publish)

        let agent =
            Agent.Start(
                1UL,
                {
                    Now = fun () -> Instant.zero
                    OnEvent = notes.Hear
                    OnChange = changes.Trigger
                    OnError = fun error -> failwith $"%A{error}"
                },
                events
            )

        for target in agent.Current.Pools |> Seq.collect _.Targets do
            notes.Follow(Change.Added(target.Pool, target.Backend.Spec))

        {
            Agent = agent
            Lifetime = Lifetime()
            Now = fun () -> Instant.ofElapsed (TimeSpan.FromSeconds 3723.0)
            Clock = clock
            Stats = fun http -> http.Response.WriteAsJsonAsync [||]
            Metrics = Exposition.handle ProcessFamilies.all
            Events = control
            Figures = LiveFigures(agent, clock)
            Notes = notes
            Writing = new SemaphoreSlim(1)
            Reload =
                fun () ->
                    Task.FromResult(
                        Ok {
                            Version = 4
                            Changes = [ "pools.default: backend b added" ]
                        }
                    )
            Preview =
                fun () ->
                    Ok {
                        Version = 4
                        Changes = [ "pools.default: backend b added" ]
                    }
            ConfigStatus = fun () -> status
            EffectiveConfig =
                fun () -> JsonObject [ KeyValuePair.Create("port", JsonValue.Create 3030 :> JsonNode) ]
            Differences =
                fun () -> [
                    {
                        Where = "pools.default.backends.a.weight"
                        Configured = Some "1"
                        Running = None
                    }
                ]
        }

    /// The default pool with these backends.
    let defaultPool (backends: string list) = [
        Event.PoolCreated(PoolName.defaultPool, PoolSettings.defaults)
        for text in backends do
            Event.InPool(PoolName.defaultPool, PoolEvent.Added(spec text))
    ]

    let runWith access (ports: ControlPorts) (test: AdminPort -> Task) : Task = task {
        use log = new CapturedLog()

        let! admin =
            Admin.Start(IPEndPoint(IPAddress.Loopback, 0), access, ports, log.Factory)

        use port = new AdminPort(admin, ports, log)
        do! test port
        Assert.Empty log.Errors
    }

    /// Runs a test with an admin port without a token, over the default pool with these backends.
    let run backends test =
        runWith AdminAccess.local (ports (defaultPool backends)) test

    /// The same with a token.
    let runClosed backends test =
        runWith closed (ports (defaultPool backends)) test
