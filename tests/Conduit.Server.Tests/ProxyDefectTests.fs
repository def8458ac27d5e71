module Conduit.Server.Tests.ProxyDefectTests

open System
open System.IO
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Xunit
open Conduit
open Conduit.Server

let private backend =
    match BackendSpec.parse "test" "http://127.0.0.1:1" with
    | Ok spec -> spec
    | Error faults -> failwith $"%A{faults}"

/// A forwarder with a defect.
let private broken (fail: unit -> ValueTask<TryResult>) = {
    new IForwarder with
        member _.Forward(_, _, _, _) = fail ()

    interface IDisposable with
        member _.Dispose() = ()
}

let private request () =
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
    features.Set<IHttpRequestFeature>(HttpRequestFeature(Method = "GET", Path = "/", RawTarget = "/"))
    features.Set<IHttpResponseFeature>(HttpResponseFeature())
    features.Set<IHttpResponseBodyFeature>(StreamResponseBodyFeature Stream.Null)
    exchange.Begin features
    exchange

let private throws: (unit -> ValueTask<TryResult>) list = [
    fun () -> invalidOp "on purpose"
    fun () -> ValueTask<TryResult>(Task.FromException<TryResult>(InvalidOperationException "on purpose"))
]

[<Fact>]
let ``A defect in forwarding is answered, and gives the place on the backend back`` () = task {
    use log = new CapturedLog()

    let agent =
        Agent.Start(
            1UL,
            {
                Now = fun () -> Instant.zero
                OnEvent = ignore
                OnChange = ignore
                OnError = ignore
            },
            [
                Event.PoolCreated(PoolName.defaultPool, PoolSettings.defaults)
                Event.InPool(PoolName.defaultPool, PoolEvent.Added backend)
            ]
        )

    for fail in throws do
        let exchange = request ()

        do!
            Proxy.serve
                {
                    Agent = agent
                    Post = agent.Post
                    Forwarder = broken fail
                    Now = fun () -> Instant.zero
                    TrustForwarded = fun () -> false
                    Proxies = fun () -> AddressSet.empty
                    LongestLine = fun () -> 8192
                    Refused = Rejections()
                    Local = fun _ -> None
                    IdHeader = fun () -> null
                    Log = Log log.Factory
                    Ended = ignore
                }
                exchange

        let target = agent.Current.Pools[0].Targets[0]
        Assert.Equal(500, exchange.Http.Response.StatusCode)
        Assert.Equal(0, target.Gauge.InFlight)
        Assert.Equal(0L, int64 target.Gauge.Failures)
        exchange.End()

    Assert.Equal(2, log.Errors |> Seq.filter _.Contains("on purpose") |> Seq.length)
}
