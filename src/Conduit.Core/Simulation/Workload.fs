namespace Conduit.Simulation

open System
open Conduit

/// When requests come.
[<RequireQualifiedAccess>]
type Arrivals =
    /// Evenly spaced.
    | Steady of perSecond: float
    /// By chance, as from very many clients that know nothing of each other.
    | Poisson of perSecond: float
    /// From so many clients; each pauses after its answer and asks again.
    | Clients of count: int * pause: TimeSpan

/// How long a server works on a request.
[<RequireQualifiedAccess>]
type ServiceTime =
    | Constant of TimeSpan
    | Exponential of mean: TimeSpan
    /// Half of the requests take less than the median; a spread of 0.5 is usual, 1.5 has a long tail.
    | LogNormal of median: TimeSpan * spread: float
    /// One of several, each as often as its weight says.
    | Mix of (float * ServiceTime) list

/// A server that is simulated.
type Server = {
    Name: string
    /// 1 to 256.
    Weight: int
    Service: ServiceTime
    /// Requests that it works on at once; more wait in line, first come, first served.
    Workers: int
}

/// What is simulated. The same workload gives the same arrivals and the same service times, whatever the
/// strategy: the n-th request is as much work for a server in one run as in the next.
type Workload = {
    Arrivals: Arrivals
    /// How many requests there are in all.
    Requests: int
    Servers: Server list
    /// Another seed is another day.
    Seed: uint64
}

[<RequireQualifiedAccess>]
module Server =

    /// A server of weight 1 that works on one request at a time.
    let create name service = {
        Name = name
        Weight = 1
        Service = service
        Workers = 1
    }

/// Numbers by chance, each a pure function of a stream and a position in it.
[<RequireQualifiedAccess>]
module Chance =

    /// From 0 up to, but not, 1.
    let uniform (stream: uint64) (position: int) =
        let bits = SplitMix.bits (SplitMix.bits stream + uint64 position)
        float (bits >>> 11) / 9007199254740992.0

    /// With this mean, and no memory.
    let exponential (mean: float) (uniform: float) = -mean * log (1.0 - uniform)

    /// Normal, with mean 0 and variance 1, from two uniform numbers (Box and Muller, 1958).
    let normal (first: float) (second: float) =
        sqrt (-2.0 * log (1.0 - first)) * cos (2.0 * Math.PI * second)

    /// The service time of a request. `draw` gives a uniform number of this request's own by its place.
    let rec serviceTime (draw: int -> float) (service: ServiceTime) : TimeSpan =
        match service with
        | ServiceTime.Constant time -> time
        | ServiceTime.Exponential mean -> TimeSpan.FromTicks(int64 (exponential (float mean.Ticks) (draw 0)))
        | ServiceTime.LogNormal(median, spread) ->
            TimeSpan.FromTicks(int64 (float median.Ticks * exp (spread * normal (draw 0) (draw 1))))
        | ServiceTime.Mix parts ->
            let sums = parts |> List.map fst |> List.scan (+) 0.0 |> List.tail
            let mark = draw 2 * List.last sums

            let _, (_, chosen) =
                List.zip sums parts
                |> List.tryFind (fun (sum, _) -> mark < sum)
                |> Option.defaultWith (fun () -> List.last (List.zip sums parts))

            serviceTime (fun place -> draw (place + 3)) chosen
