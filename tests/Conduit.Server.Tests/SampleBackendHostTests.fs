namespace Conduit.Server.Tests

open System.Net.Http
open System
open System.Net.Http
open Conduit.Server.Sample
open Xunit
open Conduit.Server.Tests.SampleBackendClient

/// How sample backends start and stop.
module SampleBackendHostTests =

    [<Fact>]
    let ``several backends run side by side, and one that is stopped answers no more`` () = task {
        let! first = SampleBackend.start settings
        use! second = SampleBackend.start { settings with Name = "b2" }
        Assert.NotEqual(first.Port, second.Port)
        Assert.Equal($"http://127.0.0.1:{first.Port}", first.Url)
        use client = newClient first
        let! answer = get client "/"
        Assert.Equal((200, hello), answer)
        // Stopping twice is stopping once.
        do! within ((first :> IAsyncDisposable).DisposeAsync().AsTask())
        do! within ((first :> IAsyncDisposable).DisposeAsync().AsTask())
        let! _ = Assert.ThrowsAsync<HttpRequestException>(fun () -> client.GetAsync "/")
        use other = newClient second
        let! _, text = get other "/"
        Assert.EndsWith("b2\n", text)
    }

    [<Fact>]
    let ``a request in flight is answered before the backend stops`` () = task {
        let! backend = SampleBackend.start settings
        use client = newClient backend
        let sleeping = get client "/sleep?ms=500"
        do! until "the sleep begins" (fun () -> backend.InFlight = 1)
        do! within ((backend :> IAsyncDisposable).DisposeAsync().AsTask())
        let! answer = sleeping
        Assert.Equal((200, "Slept 0.5 seconds on b1\n"), answer)
    }

    [<Fact>]
    let ``a port that is taken is exit code 2`` () = task {
        use! backend = SampleBackend.start settings

        let! code =
            SampleBackend.run({ settings with Port = backend.Port }).WaitAsync patience

        Assert.Equal(2, code)
    }
