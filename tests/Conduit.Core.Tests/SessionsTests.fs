module Conduit.Tests.SessionsTests

open System
open FsCheck
open Xunit
open Conduit

let private sessions most =
    Sessions(
        {
            By = StickyBy.Client
            Timeout = TimeSpan.FromSeconds 10.0
            MaxSessions = most
            CleanupInterval = None
            Key = None
        },
        1UL
    )

let private at (seconds: float) =
    Instant.ofElapsed (TimeSpan.FromSeconds seconds)

let private client (number: int) = UInt128(0UL, uint64 number)
let private a, b = Make.backendId "a", Make.backendId "b"

let private found (session: BackendId voption) =
    match session with
    | ValueSome id -> BackendId.value id
    | ValueNone -> "none"

[<Fact>]
let ``a session lasts as long as it is used, and its timeout more`` () =
    let sessions = sessions 1000
    Assert.Equal("none", found (sessions.Find(client 1, at 0.0)))
    sessions.Begin(client 1, a, at 0.0)
    Assert.Equal("a", found (sessions.Find(client 1, at 9.0)))
    Assert.Equal("a", found (sessions.Find(client 1, at 18.0)))
    Assert.Equal("none", found (sessions.Find(client 1, at 28.0)))
    Assert.Equal("none", found (sessions.Find(client 1, at 28.1)))
    sessions.Begin(client 1, b, at 29.0)
    Assert.Equal("b", found (sessions.Find(client 1, at 29.0)))
    Assert.Equal("none", found (sessions.Find(client 2, at 29.0)))

[<Fact>]
let ``sessions are those of a dictionary, as long as there is room`` () =
    Property.check (fun (steps: (byte * bool * byte) list) ->
        let sessions = sessions 4096
        // In whole fiftieths of a second: at the end of a session a fraction would be rounded.
        let mutable now = 0

        let at fiftieths =
            Instant.ofElapsed (TimeSpan(int64<int> fiftieths * 200_000L))

        let mutable expected = Map.empty

        steps
        |> List.forall (fun (number, begins, pause) ->
            now <- now + int pause
            let number = int number % 16

            if begins then
                let backend = if number % 2 = 0 then a else b
                sessions.Begin(client number, backend, at now)
                expected <- Map.add number (backend, now + 500) expected
                true
            else
                let right =
                    match Map.tryFind number expected with
                    | Some(backend, until) when until > now ->
                        expected <- Map.add number (backend, now + 500) expected
                        ValueSome backend
                    | _ ->
                        expected <- Map.remove number expected
                        ValueNone

                sessions.Find(client number, at now) = right))

[<Fact>]
let ``of too many sessions those go that were not used for the longest time`` () =
    let sessions = sessions 8

    for number in 1..8 do
        sessions.Begin(client number, a, at (float number / 10.0))

    Assert.Equal("a", found (sessions.Find(client 1, at 1.0)))
    sessions.Begin(client 9, b, at 1.1)
    Assert.Equal("a", found (sessions.Find(client 1, at 1.2)))
    Assert.Equal("none", found (sessions.Find(client 2, at 1.2)))
    Assert.Equal("b", found (sessions.Find(client 9, at 1.2)))
