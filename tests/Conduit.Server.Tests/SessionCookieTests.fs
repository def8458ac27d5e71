module Conduit.Server.Tests.SessionCookieTests

open System
open System.Text
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

let private pool name =
    match PoolName.create "test" name with
    | Ok name -> name
    | Error fault -> failwith (Fault.render fault)

let private id name =
    match BackendId.create "test" name with
    | Ok id -> id
    | Error fault -> failwith (Fault.render fault)

let private keys (secret: string) name =
    SessionKeys(Encoding.UTF8.GetBytes secret, pool name)

let private read keys (text: string) =
    match SessionCookie.read keys (text.AsSpan()) with
    | ValueSome ticket -> Some(ticket.Expiry, ticket.Tag)
    | ValueNone -> None

let private secret = "0123456789abcdef"

let private cookie =
    SessionCookie.write (keys secret "web") {
        Expiry = 1_900_000_000L
        Tag = (keys secret "web").TagOf(id "10.0.0.1:8081")
    }

[<Fact>]
let ``a cookie made by one process is understood by another with the same key`` () =
    Seeded.forAll (ArbMap.defaults |> ArbMap.generate<int64 * NonEmptyString>) (fun (expiry, name) ->
        let id =
            match BackendId.create "test" name.Get with
            | Ok id -> id
            | Error _ -> id "a"

        let one, other = keys secret "web", keys secret "web"

        let text = SessionCookie.write one { Expiry = expiry; Tag = one.TagOf id }

        text.Length = SessionCookie.length
        && read other text = Some(expiry, other.TagOf id))

[<Fact>]
let ``no cookie with a bit changed is understood, nor with a character more or less or another one`` () =
    let keys = keys secret "web"
    Assert.True((read keys cookie).IsSome)
    let bytes = Convert.FromBase64String(cookie.Replace('-', '+').Replace('_', '/'))
    Assert.Equal(48, bytes.Length)

    for bit in 0 .. 48 * 8 - 1 do
        let changed = Array.copy bytes
        changed[bit / 8] <- changed[bit / 8] ^^^ (1uy <<< (bit % 8))
        let text = Convert.ToBase64String(changed).Replace('+', '-').Replace('/', '_')
        Assert.Equal(None, read keys text)

    let alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. ;"

    for at in 0 .. cookie.Length - 1 do
        Assert.Equal(None, read keys (cookie.Remove(at, 1)))

        for character in alphabet do
            let text = cookie.Remove(at, 1).Insert(at, string character)
            Assert.Equal((text = cookie), (read keys text).IsSome)
            Assert.Equal(None, read keys (cookie.Insert(at, string character)))

[<Fact>]
let ``no other text is understood`` () =
    Seeded.forAll (ArbMap.defaults |> ArbMap.generate<NonEmptyString>) (fun text ->
        let keys = keys secret "web"

        read keys text.Get = None
        && read keys (String(Seq.toArray text.Get).PadRight(64, 'A')) = None)

[<Fact>]
let ``neither another key nor another pool understands it`` () =
    Assert.Equal(None, read (keys "0123456789abcdeg" "web") cookie)
    Assert.Equal(None, read (keys secret "api") cookie)

[<Fact>]
let ``it names no backend, and tells two of them apart`` () =
    let keys = keys secret "web"
    Assert.NotEqual(keys.TagOf(id "a"), keys.TagOf(id "b"))
    let bytes = Convert.FromBase64String(cookie.Replace('-', '+').Replace('_', '/'))
    Assert.DoesNotContain("10.0.0.1", Encoding.Latin1.GetString bytes)
    // Not even a hash that others could make.
    Assert.NotEqual(
        (SessionKeys(Encoding.UTF8.GetBytes "another secret..", pool "web")).TagOf(id "a"),
        keys.TagOf(id "a")
    )

[<Fact>]
let ``reading allocates nothing`` () =
    let keys = keys secret "web"

    let run () =
        for _ in 1..1000 do
            SessionCookie.read keys (cookie.AsSpan()) |> ignore

    run ()
    let before = GC.GetAllocatedBytesForCurrentThread()
    run ()
    Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0L, 2_000L)
