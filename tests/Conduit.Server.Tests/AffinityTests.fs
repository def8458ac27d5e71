module Conduit.Server.Tests.AffinityTests

open System
open System.Threading.Tasks
open Microsoft.Extensions.Primitives
open Xunit
open Conduit
open Conduit.Server

let private hashing strategy on (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Strategy = strategy
                Hash = { settings.Pool.Hash with On = on }
        }
}

/// Runs a test with eight backends that answer with their number.
let private withEight change (test: Running -> Task) : Task = task {
    let backends = [
        for number in 1..8 -> ScriptedBackend.Start(Script.always (Script.ok (string number)))
    ]

    try
        do! Balancers.run change (backends |> List.map _.Url) test
        Assert.All(backends, (fun backend -> Assert.Empty backend.Failures))
    finally
        backends |> List.iter (fun backend -> (backend :> IDisposable).Dispose())
}

let private answered (running: Running) (target, fields) = task {
    let! response =
        running.Ask $"GET {target} HTTP/1.1\r\nHost: conduit.test\r\n{fields}\r\n"

    Assert.Equal(200, Message.status response)
    return Message.text response
}

/// How many backends answer these requests.
let private spread running requests = task {
    let found = ResizeArray<string>()

    for request in requests do
        let! backend = answered running request
        found.Add backend

    return (found |> Seq.distinct |> Seq.length)
}

[<Theory>]
[<InlineData(true)>]
[<InlineData(false)>]
let ``A slow start that has no effect is told`` (hashes: bool) =
    let slow (settings: Settings) = {
        settings with
            Pool = {
                settings.Pool with
                    Strategy = if hashes then Strategy.Hash else Strategy.Random
                    SlowStart = TimeSpan.FromSeconds 30.0
            }
    }

    withEight slow (fun running -> task {
        let isTold =
            running.Log.Warnings
            |> List.exists _.Contains("slow_start has no effect with hash")

        Assert.Equal(hashes, isTold)
    })

let Parts: TheoryData<string, string, string, string, string> =
    let data = TheoryData<string, string, string, string, string>()
    // What it goes by, a request with its value in the place of VALUE, and one with another of another part.
    data.Add("path", "/VALUE?q=OTHER", "", "/fixed?q=OTHER", "")
    data.Add("uri", "/a?q=VALUE", "", "/a?q=fixed", "X-Key: OTHER\r\n")
    data.Add("header:X-Key", "/OTHER", "X-Key: VALUE\r\n", "/OTHER", "X-Key: fixed\r\n")

    data.Add(
        "cookie:sid",
        "/",
        "Cookie: a=1; sid=VALUE; b=2\r\n",
        "/OTHER",
        "Cookie: xsid=OTHER; sid=fixed\r\n"
    )

    data.Add("query:id", "/?id=VALUE", "", "/OTHER?x=OTHER&id=fixed", "")
    data

[<Theory; MemberData(nameof Parts)>]
let ``Requests are spread by the part that is hashed, and by no other``
    (on: string)
    (target: string)
    (fields: string)
    (fixedTarget: string)
    (fixedFields: string)
    =
    let on =
        match HashOn.parse "test" on with
        | Ok on -> on
        | Error fault -> failwith (Fault.render fault)

    let filled (text: string) (number: int) =
        text.Replace("VALUE", $"v{number}").Replace("OTHER", $"o{number}")

    withEight (hashing Strategy.Hash on) (fun running -> task {
        let! many = [ for n in 1..40 -> filled target n, filled fields n ] |> spread running
        Assert.InRange(many, 4, 8)

        let! one =
            [ for n in 1..20 -> filled fixedTarget n, filled fixedFields n ]
            |> spread running

        Assert.Equal(1, one)
        // Without the part, the client's address is what counts.
        let! without = [ for _ in 1..10 -> "/", "" ] |> spread running
        Assert.Equal(1, without)
    })

[<Fact>]
let ``With ip-hash each client has its backend, whatever it asks for`` () =
    let settings (settings: Settings) = {
        hashing Strategy.IpHash HashOn.Path settings with
            TrustedProxies =
                (match AddressSet.parse "test" "127.0.0.1" with
                 | Ok set -> set
                 | Error fault -> failwith (Fault.render fault))
    }

    withEight settings (fun running -> task {
        let from client = $"X-Forwarded-For: {client}\r\n"
        let! many = [ for n in 1..40 -> "/", from $"10.0.0.{n}" ] |> spread running
        Assert.InRange(many, 4, 8)
        let! one = [ for n in 1..20 -> $"/{n}", from "10.0.0.1" ] |> spread running
        Assert.Equal(1, one)
    })

[<Theory>]
[<InlineData("sid=1", "1")>]
[<InlineData("a=b;sid=1", "1")>]
[<InlineData("a=b;  sid=1 ; c=d", "1")>]
[<InlineData("xsid=2; sid=1", "1")>]
[<InlineData("sidx=2; sid=1; sid=3", "1")>]
[<InlineData("sid=; sid=1", "1")>]
[<InlineData("sid=a=b", "a=b")>]
[<InlineData("sid", "")>]
[<InlineData("SID=1", "")>]
[<InlineData("", "")>]
[<InlineData(";;;", "")>]
let ``The value of a cookie is found among others`` (line: string, expected: string) =
    Assert.Equal(expected, (Cookies.find "sid" (StringValues line)).ToString())
    Assert.Equal(expected, (Cookies.find "sid" (StringValues [| "other=1"; line |])).ToString())
