namespace Conduit

open System
open System.Threading

/// What the agent needs from outside.
type AgentPorts = {
    Now: unit -> Instant
    /// Told of each event when its turn has come, on the agent's own thread; must be quick.
    OnEvent: Event -> unit
    /// Told of each change once a snapshot shows it, in order, on the agent's own thread; must be quick.
    OnChange: Change -> unit
    /// Told of an exception that an event, `OnEvent` or `OnChange` caused; it is dropped and the agent goes on.
    OnError: exn -> unit
}

[<RequireQualifiedAccess>]
type private Message =
    | Event of Event
    | Update of Event list * AsyncReplyChannel<Snapshot>

/// IMPURE: the one writer. A MailboxProcessor that owns the state, folds events into it and publishes
/// one immutable snapshot through one reference.
[<Sealed>]
type Agent private (seed: uint64, ports: AgentPorts, initial: Snapshot, initialState: State) =

    [<VolatileField>]
    let mutable current = initial

    /// The most events that wait for a snapshot.
    let most = 256

    /// `untold` are changes that no snapshot shows yet, the newest first.
    let fold (state, untold) event =
        try
            ports.OnEvent event
            let after = State.evolve (ports.Now()) state event

            after,
            List.fold (fun changes change -> change :: changes) untold (State.changes state after event)
        with error ->
            ports.OnError error
            state, untold

    let tell change =
        try
            ports.OnChange change
        with error ->
            ports.OnError error

    /// Gives the state that `current` shows after it: a defect costs one snapshot, and not the agent.
    let publish published state untold =
        let shown =
            try
                if not (obj.ReferenceEquals(published, state)) then
                    current <- Snapshot.next seed current state

                state
            with error ->
                ports.OnError error
                published

        List.rev untold |> List.iter tell
        shown

    /// `published` is the state that `current` shows, and `held` the number of events it does not show.
    /// While more messages wait, publishing waits too, but not for long: a burst of news costs few
    /// snapshots, and a flood of it does not keep a dead backend in rotation.
    let rec loop (inbox: MailboxProcessor<Message>) published state untold held = async {
        let! message = inbox.Receive()

        match message with
        | Message.Event event ->
            let state, untold = fold (state, untold) event

            if inbox.CurrentQueueLength = 0 || held >= most then
                let shown = publish published state untold
                return! loop inbox shown state [] 0
            else
                return! loop inbox published state untold (held + 1)
        | Message.Update(events, reply) ->
            let state, untold = List.fold fold (state, untold) events
            let shown = publish published state untold
            reply.Reply current
            return! loop inbox shown state [] 0
    }

    let mailbox =
        new MailboxProcessor<Message>(fun inbox -> loop inbox initialState initialState [] 0)

    /// The newest snapshot: one volatile read.
    member _.Current = current

    /// Hands an event over and returns at once.
    member _.Post event = mailbox.Post(Message.Event event)

    /// Folds the events in, in one go, and returns the snapshot that shows them.
    member _.Update(events: Event list) : Async<Snapshot> =
        mailbox.PostAndAsyncReply(fun reply -> Message.Update(events, reply))

    /// An agent over an empty state. `seed` sets its chances apart from those of another process.
    static member Start(seed, ports, events: Event list) =
        let state = events |> List.fold (State.evolve (ports.Now())) State.empty
        let agent = new Agent(seed, ports, Snapshot.next seed Snapshot.empty state, state)
        agent.Begin()
        agent

    member private _.Begin() = mailbox.Start()

    interface IDisposable with
        member _.Dispose() = (mailbox :> IDisposable).Dispose()
