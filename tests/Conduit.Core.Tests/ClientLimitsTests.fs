module Conduit.Tests.ClientLimitsTests

open System
open FsCheck
open Xunit
open Conduit

let private limits = ClientLimits.defaults
let private idle = 60_000L

/// What is left after steps of waiting, with the bytes that moved in each.
let private after limits (steps: (int64 * int64) list) =
    (ClientLimits.grace limits idle, steps)
    ||> List.scan (fun left (waited, moved) -> ClientLimits.left limits idle left waited moved)

/// A step that is shorter than the grace.
let private wait (PositiveInt time) = int64 (1 + time * 37 % 9_000)

[<Fact>]
let ``a client that moves at the least rate is never out of time`` () =
    Property.check (fun (times: PositiveInt list) ->
        times
        |> List.map wait
        // A millisecond of each step may be lost in rounding.
        |> List.map (fun time -> time, (time + 1L) * limits.MinRate / 1000L + 1L)
        |> after limits
        |> List.forall (fun left -> left > 0L))

[<Fact>]
let ``a client that moves at half of it is out of time after twice the grace, and a little`` () =
    Property.check (fun (PositiveInt step) ->
        let time = int64 (100 + step % 5_000)
        let steps = int (25_000L / time) + 1

        List.replicate steps (time, time * limits.MinRate / 2000L)
        |> after limits
        |> List.exists (fun left -> left <= 0L))

[<Fact>]
let ``whatever a client moves, it may be still for the idle timeout at most`` () =
    Property.check (fun (steps: (PositiveInt * NonNegativeInt) list) ->
        steps
        |> List.map (fun (time, NonNegativeInt moved) -> wait time, int64 moved * 1_000_000L)
        |> after limits
        |> List.forall (fun left -> left <= idle))

[<Fact>]
let ``without a least rate any byte is as good as all`` () =
    Assert.Equal(idle, ClientLimits.grace ClientLimits.any idle)
    Assert.Equal(idle, ClientLimits.left ClientLimits.any idle 5L 1L 1L)
    Assert.Equal(4L, ClientLimits.left ClientLimits.any idle 5L 1L 0L)

[<Fact>]
let ``a short idle timeout takes nothing off the grace`` () =
    Assert.Equal(10_000L, ClientLimits.grace limits 100L)
    Assert.Equal(9_901L, ClientLimits.left limits 100L 10_000L 100L 0L + 1L)

[<Fact>]
let ``an enormous transfer overflows nothing`` () =
    Assert.Equal(idle, ClientLimits.left limits idle 1L Int64.MaxValue Int64.MaxValue)
