namespace Conduit.Simulation

open System
open System.Collections.Generic
open Conduit

/// What happened to one server.
type ServerResult = {
    Name: string
    Weight: int
    Requests: int
    /// The most requests that it had at once, those in line included.
    MostInFlight: int
    /// The share of the time in which its workers worked, 0 to 1.
    Busy: float
    /// From the arrival of a request to its answer, in ascending order.
    Latencies: TimeSpan[]
}

/// What a strategy made of a workload.
type SimulationResult = {
    Strategy: string
    /// From the first arrival to the last answer, in virtual time.
    Duration: TimeSpan
    Servers: ServerResult list
    /// Of all requests, in ascending order.
    Latencies: TimeSpan[]
}

/// A request on its way: which one it is, when it came, and the place that it took.
[<Struct; NoEquality; NoComparison>]
type private Job = {
    Number: int
    Arrived: int64
    Target: Target
}

[<RequireQualifiedAccess; NoEquality; NoComparison>]
type private Happening =
    | Arrival
    | Answer of Job

/// A server at work.
[<Sealed>]
type private Station(server: Server) =
    member _.Server = server
    member val Waiting = Queue<Job>()
    member val Working = 0 with get, set
    member val Worked = 0L with get, set
    member val MostInFlight = 0 with get, set
    member val Latencies = ResizeArray<TimeSpan>()

/// One run of a workload over a pool. Its time is a number that goes from one happening to the next.
[<Sealed>]
type private Run(workload: Workload, view: PoolView, stations: Station[]) =

    /// Two happenings at the same moment keep the order in which they were put in.
    let events = PriorityQueue<Happening, struct (int64 * int64)>()
    let mutable order = 0L
    let mutable sent = 0
    /// In ticks.
    let mutable now = 0L
    let mutable ended = 0L

    /// Each purpose has a stream of chances of its own.
    let stream purpose = workload.Seed * 31UL + purpose
    let arrivals, work, keys = stream 1UL, stream 1000UL, stream 2UL

    let instant () =
        Instant.ofElapsed (TimeSpan.FromTicks now)

    let schedule at happening =
        order <- order + 1L
        events.Enqueue(happening, struct (at, order))

    let ticks (seconds: float) =
        int64 (seconds * float TimeSpan.TicksPerSecond)

    let serve (station: Station) (job: Job) =
        let draw place =
            Chance.uniform (work + uint64 place) job.Number

        let time = (Chance.serviceTime draw station.Server.Service).Ticks
        station.Working <- station.Working + 1
        station.Worked <- station.Worked + time
        schedule (now + time) (Happening.Answer job)

    let arrive () =
        let demand = {
            Now = instant ()
            Key = SplitMix.bits (keys + uint64 sent)
            Tried = []
        }

        match Lease.take demand view with
        | ValueNone -> invalidOp "no server is available"
        | ValueSome target ->
            let station = stations[target.Backend.Ordinal]

            let job = {
                Number = sent
                Arrived = now
                Target = target
            }

            sent <- sent + 1
            station.MostInFlight <- max station.MostInFlight target.Gauge.InFlight

            if station.Working < station.Server.Workers then
                serve station job
            else
                station.Waiting.Enqueue job

    let scheduleNext () =
        match workload.Arrivals with
        | Arrivals.Steady perSecond -> schedule (now + ticks (1.0 / perSecond)) Happening.Arrival
        | Arrivals.Poisson perSecond ->
            let gap = Chance.exponential (1.0 / perSecond) (Chance.uniform arrivals sent)
            schedule (now + ticks gap) Happening.Arrival
        | Arrivals.Clients _ -> ()

    let answer (job: Job) =
        let station = stations[job.Target.Backend.Ordinal]
        let latency = TimeSpan.FromTicks(now - job.Arrived)
        Lease.observe (Outcome.Answered 200) (instant ()) latency job.Target
        Lease.settle ignore (Outcome.Answered 200) latency job.Target
        station.Latencies.Add latency
        station.Working <- station.Working - 1
        ended <- now

        match station.Waiting.TryDequeue() with
        | true, waiting -> serve station waiting
        | _ -> ()

        match workload.Arrivals with
        | Arrivals.Clients(_, pause) -> schedule (now + pause.Ticks) Happening.Arrival
        | _ -> ()

    let beginAll () =
        match workload.Arrivals with
        | Arrivals.Clients(count, pause) ->
            // Clients that begin together would go on asking together.
            for client in 1..count do
                schedule (int64 (float pause.Ticks * Chance.uniform arrivals client)) Happening.Arrival
        | _ -> schedule 0L Happening.Arrival

    /// Runs to the last answer, and gives the time of it in ticks.
    member _.ToEnd() : int64 =
        beginAll ()

        while events.Count > 0 do
            let mutable happening = Happening.Arrival
            let mutable priority = struct (0L, 0L)
            events.TryDequeue(&happening, &priority) |> ignore
            let struct (at, _) = priority
            now <- at

            match happening with
            | Happening.Answer job -> answer job
            | Happening.Arrival when sent < workload.Requests ->
                arrive ()
                scheduleNext ()
            | Happening.Arrival -> ()

        ended

/// Runs workloads on virtual time: no sockets, no clock, no waiting. The strategy, its tables and the
/// live gauges are those that serve real requests.
[<RequireQualifiedAccess>]
module Simulation =

    let private valid result =
        match result with
        | Ok value -> value
        | Error fault -> invalidArg "workload" (Fault.render fault)

    let private spec index (server: Server) : BackendSpec = {
        BackendSpec.ofUrl (BackendUrl.parse server.Name $"http://server-{index}:80" |> valid) with
            Id = BackendId.create server.Name server.Name |> valid
            Weight = Weight.create server.Name server.Weight |> valid
    }

    let private pool strategy (workload: Workload) : PoolView =
        let name = PoolName.defaultPool

        let settings = {
            PoolSettings.defaults with
                Strategy = strategy
        }

        let state =
            [
                Event.PoolCreated(name, settings)
                for index, server in List.indexed workload.Servers do
                    Event.InPool(name, PoolEvent.Added(spec index server))
            ]
            |> List.fold (State.evolve Instant.zero) State.empty

        match Snapshot.next workload.Seed Snapshot.empty state |> Snapshot.pool name with
        | ValueSome view -> view
        | ValueNone -> invalidArg (nameof workload) "there are no servers"

    let private check (workload: Workload) =
        if workload.Servers.IsEmpty then
            invalidArg (nameof workload) "there are no servers"

        if workload.Requests < 1 then
            invalidArg (nameof workload) "there are no requests"

        for server in workload.Servers do
            if server.Workers < 1 then
                invalidArg (nameof workload) $"{server.Name} has no workers"

    let private result strategy (ended: int64) (stations: Station[]) : SimulationResult =
        let sorted (latencies: TimeSpan seq) = latencies |> Seq.sort |> Seq.toArray

        {
            Strategy = Strategy.name strategy
            Duration = TimeSpan.FromTicks ended
            Servers = [
                for station in stations ->
                    {
                        Name = station.Server.Name
                        Weight = station.Server.Weight
                        Requests = station.Latencies.Count
                        MostInFlight = station.MostInFlight
                        Busy =
                            if ended = 0L then
                                0.0
                            else
                                float station.Worked / float (ended * int64 station.Server.Workers)
                        Latencies = sorted station.Latencies
                    }
            ]
            Latencies = stations |> Seq.collect _.Latencies |> sorted
        }

    /// Runs a workload with a strategy: a built-in one, or one of your own as `Strategy.Custom`.
    let run (strategy: Strategy) (workload: Workload) : SimulationResult =
        check workload
        let stations = workload.Servers |> List.map Station |> List.toArray
        let run = Run(workload, pool strategy workload, stations)
        result strategy (run.ToEnd()) stations

    /// The latency that a share of the requests (0 to 1) did not exceed.
    let percentile (share: float) (latencies: TimeSpan[]) : TimeSpan =
        if latencies.Length = 0 then
            TimeSpan.Zero
        else
            latencies[min (latencies.Length - 1) (int (ceil (share * float latencies.Length)) - 1 |> max 0)]
