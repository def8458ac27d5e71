namespace Conduit.Server

open System
open System.Collections.Generic
open System.Threading
open System.Threading.Tasks
open Conduit

/// What happened lately.
type Recent = {
    TenSeconds: Figures
    OneMinute: Figures
    FiveMinutes: Figures
}

[<RequireQualifiedAccess>]
module Recent =

    /// As the admin API tells it.
    let toWire (recent: Recent) : Wire.Recent = {
        TenSeconds = Wire.ofFigures recent.TenSeconds
        OneMinute = Wire.ofFigures recent.OneMinute
        FiveMinutes = Wire.ofFigures recent.FiveMinutes
    }

/// One step of the history of all pools together.
type HistoryPoint = {
    At: DateTimeOffset
    /// Over the step that ends here.
    Figures: Figures
    /// Requests at the backends at that moment.
    InFlight: int
}

/// A gauge that is read each second.
type private Watched = {
    Pool: PoolName
    Gauge: Gauge
    Reader: GaugeReader
    mutable Trail: Trail
    /// Nothing while the backend has had no request: most of many have none.
    mutable Course: Course option
    /// The number of the reading in which a snapshot had it last.
    mutable Seen: int64
}

/// IMPURE: what happened in the last minutes, by backend, by pool, and in all. The gauges of all backends
/// are read once a second, away from the requests.
[<Sealed>]
type LiveFigures(agent: Agent, clock: TimeProvider) =

    static let interval = TimeSpan.FromSeconds 1.0
    static let historyStep = 5L
    static let historyLength = 180

    let gate = obj ()
    let started = clock.GetTimestamp()
    let watched = Dictionary<Gauge, Watched>(HashIdentity.Reference)
    let pools = Dictionary<PoolName, Trail>()
    let history = Queue<HistoryPoint>()
    let mutable overall = Trail.empty
    let mutable readings = 0L
    /// Since the beginning, in whole seconds: those that have been read.
    let mutable seconds = 0L

    let recent trail =
        let over window = Trail.over window (seconds - 1L) trail

        {
            TenSeconds = over Window.TenSeconds
            OneMinute = over Window.OneMinute
            FiveMinutes = over Window.FiveMinutes
        }

    let watch (target: Target) =
        match watched.TryGetValue target.Gauge with
        | true, known -> known.Seen <- readings
        | _ ->
            watched[target.Gauge] <- {
                Pool = target.Pool
                Gauge = target.Gauge
                Reader = GaugeReader target.Gauge
                Trail = Trail.empty
                Course = None
                Seen = readings
            }

    /// What happened since the last reading, by pool. A backend that has been removed is read until its
    /// last request has ended.
    let read () =
        let happened = Dictionary<PoolName, Sample list>()

        for each in watched.Values do
            let sample = each.Reader.Next()
            each.Trail <- Trail.add seconds sample each.Trail

            if not (Sample.isNone sample) then
                happened[each.Pool] <- sample :: happened.GetValueOrDefault(each.Pool, [])
            elif each.Seen < readings && each.Gauge.InFlight = 0 then
                watched.Remove each.Gauge |> ignore

        happened

    let note (snapshot: Snapshot) (samples: Dictionary<PoolName, Sample list>) =
        let sums = Dictionary<PoolName, Sample>()

        for pool in samples do
            sums[pool.Key] <- Sample.sum pool.Value

        for gone in pools.Keys |> Seq.filter (snapshot.ByName.ContainsKey >> not) |> Seq.toArray do
            pools.Remove gone |> ignore

        for view in snapshot.Pools do
            let name = view.Source.Name
            let sample = sums.GetValueOrDefault(name, Sample.none)
            pools[name] <- Trail.add seconds sample (pools.GetValueOrDefault(name, Trail.empty))

        overall <- Trail.add seconds (Sample.sum (List.ofSeq sums.Values)) overall

    let step (each: Watched) =
        if each.Course.IsNone && each.Gauge.Requests > 0L then
            each.Course <- Some(Course historyLength)

        match each.Course with
        | Some course ->
            let figures = Trail.over Window.FiveSeconds (seconds - 1L) each.Trail
            course.Add(CourseStep.create figures each.Gauge.InFlight)
        | None -> ()

    let remember (snapshot: Snapshot) =
        Seq.iter step watched.Values

        if history.Count = historyLength then
            history.Dequeue() |> ignore

        history.Enqueue {
            At = clock.GetUtcNow()
            Figures = Trail.over Window.FiveSeconds (seconds - 1L) overall
            InFlight =
                snapshot.Pools
                |> Array.sumBy (fun view -> view.Targets |> Array.sumBy _.Gauge.InFlight)
        }

    /// Reads all gauges; `elapsed` is the time since the beginning.
    member _.Read(elapsed: TimeSpan) =
        lock gate (fun () ->
            let snapshot = agent.Current
            readings <- readings + 1L

            for view in snapshot.Pools do
                Array.iter watch view.Targets

            read () |> note snapshot
            let before = seconds
            seconds <- max seconds (int64 (Math.Round elapsed.TotalSeconds))

            if seconds / historyStep > before / historyStep then
                remember snapshot)

    /// Reads once a second until it is told to stop.
    member this.Run(stopping: CancellationToken) : Task = task {
        use timer = new PeriodicTimer(interval, clock)

        try
            while not stopping.IsCancellationRequested do
                let! _ = timer.WaitForNextTickAsync stopping
                this.Read(clock.GetElapsedTime started)
        with :? OperationCanceledException ->
            ()
    }

    /// Of one backend; nothing for one that joined within the last second.
    member _.Backend(target: Target) : Recent =
        lock gate (fun () ->
            match watched.TryGetValue target.Gauge with
            | true, known -> recent known.Trail
            | _ -> recent Trail.empty)

    /// Of a pool's backends together.
    member _.Pool(name: PoolName) : Recent =
        lock gate (fun () -> recent (pools.GetValueOrDefault(name, Trail.empty)))

    /// Of all pools together.
    member _.Overall: Recent = lock gate (fun () -> recent overall)

    /// The last quarter of an hour in steps, the oldest first.
    member _.History: HistoryPoint[] = lock gate (fun () -> history.ToArray())

    /// The last steps of one backend, at most so many, the oldest first, each with its end. A backend has none
    /// from before its first request.
    member _.Course(target: Target, most: int) : struct (DateTimeOffset * CourseStep)[] =
        lock gate (fun () ->
            match watched.TryGetValue target.Gauge with
            | true, { Course = Some course } ->
                let ends = history.ToArray()
                let steps = course.Last(min most ends.Length)
                let first = ends.Length - steps.Length
                steps |> Array.mapi (fun index step -> struct (ends[first + index].At, step))
            | _ -> [||])

    /// The time from one point of the history to the next.
    member _.HistoryStep = TimeSpan.FromSeconds(float historyStep)
