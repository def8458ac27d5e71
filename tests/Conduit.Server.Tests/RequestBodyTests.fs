module Conduit.Server.Tests.RequestBodyTests

open System
open System.IO
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Xunit
open Conduit
open Conduit.Server

[<Fact>]
let ``A body that is asked for after its request is over is left where it is`` () = task {
    let exchange =
        Exchange(
            Lifetime(),
            Deadlines.Shared,
            fun () -> {
                Conduit.Server.Entry.plain with
                    Clients = ClientLimits.any
            }
        )

    let features = FeatureCollection()
    use source = new MemoryStream "hello"B
    features.Set<IHttpRequestFeature>(HttpRequestFeature(Body = source))
    features.Set<IHttpResponseFeature>(HttpResponseFeature())
    features.Set<IHttpResponseBodyFeature>(StreamResponseBodyFeature Stream.Null)
    exchange.Begin features
    use body = new RequestBody(exchange, Nullable 5L, TimeSpan.FromSeconds 1.0)

    do! body.Close()
    use sink = new MemoryStream()
    let! _ = Assert.ThrowsAnyAsync<Exception>(fun () -> body.CopyToAsync sink)

    Assert.False body.Spent
    Assert.Equal(0L, sink.Length)
    Assert.Equal(0L, source.Position)
}
