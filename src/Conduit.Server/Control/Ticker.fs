namespace Conduit.Server

open System
open System.Threading
open Conduit

/// IMPURE: a timer. Tells the agent that time has gone by when that changes something, some milliseconds
/// late. Between such instants it costs a look at the snapshot.
[<Sealed>]
type Ticker(agent: Agent, now: unit -> Instant) =

    let interval = TimeSpan.FromMilliseconds 20.0

    let look _ =
        match agent.Current.Due with
        | ValueSome due when Instant.hasPassed due (now ()) -> agent.Post Event.Ticked
        | _ -> ()

    let timer = new Timer(look, null, interval, interval)

    interface IDisposable with
        member _.Dispose() = timer.Dispose()
