namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Diagnostics.Metrics
open Microsoft.AspNetCore.Connections
open Microsoft.AspNetCore.Connections.Features
open Conduit

/// Why a connection of HTTP/2 was ended for what its client did.
[<RequireQualifiedAccess>]
type Http2Ending =
    | Flood of Flood
    /// Headers that are larger than what is taken, or that cannot be read.
    | Headers

[<RequireQualifiedAccess>]
module Http2Ending =

    let all = [
        Http2Ending.Flood Flood.RapidReset
        Http2Ending.Flood Flood.Continuations
        Http2Ending.Flood Flood.Settings
        Http2Ending.Flood Flood.Idle
        Http2Ending.Headers
    ]

    let name ending =
        match ending with
        | Http2Ending.Flood Flood.RapidReset -> "rapid_reset"
        | Http2Ending.Flood Flood.Continuations -> "continuations"
        | Http2Ending.Flood Flood.Settings -> "settings"
        | Http2Ending.Flood Flood.Idle -> "idle_frames"
        | Http2Ending.Headers -> "headers"

    /// That for which Kestrel ended a connection by itself, by the name that its metrics have for it.
    let ofKestrel (errorType: string) =
        match errorType with
        | "max_request_headers_total_size_exceeded"
        | "max_request_header_count_exceeded"
        | "error_reading_headers" -> ValueSome Http2Ending.Headers
        // Queues of what is to be sent grow too long by streams that are aborted.
        | "stream_reset_limit_exceeded"
        | "flow_control_queue_size_exceeded"
        | "output_queue_size_exceeded" -> ValueSome(Http2Ending.Flood Flood.RapidReset)
        | _ -> ValueNone

/// IMPURE: how many connections of HTTP/2 were ended for what their clients did: by Conduit, and by Kestrel,
/// which tells of it in its metrics alone.
[<Sealed>]
type Http2Endings() =

    /// Says in Kestrel's metrics of a connection why Conduit has ended it.
    static let endedBy = "conduit.ended"

    let counters =
        dict [ for ending in Http2Ending.all -> Http2Ending.name ending, Counter() ]

    let ports = ConcurrentDictionary<int, int>()

    let count ending =
        counters[Http2Ending.name ending].Add 1L

    let valueOf (name: string) (tags: ReadOnlySpan<KeyValuePair<string, obj | null>>) : obj | null =
        let mutable found: obj | null = null

        for index in 0 .. tags.Length - 1 do
            if tags[index].Key = name then
                found <- tags[index].Value

        found

    let isOurs (port: obj | null) =
        match port with
        | :? int as port -> ports.ContainsKey port
        | _ -> false

    let take (tags: ReadOnlySpan<KeyValuePair<string, obj | null>>) =
        match valueOf "error.type" tags with
        | :? string as errorType when
            Object.Equals(valueOf "network.protocol.version" tags, "2")
            && isOurs (valueOf "server.port" tags)
            && isNull (valueOf endedBy tags)
            ->
            match Http2Ending.ofKestrel errorType with
            | ValueSome ending -> count ending
            | ValueNone -> ()
        | _ -> ()

    let listener = new MeterListener()

    do
        listener.InstrumentPublished <-
            fun instrument listener ->
                if
                    instrument.Meter.Name = "Microsoft.AspNetCore.Server.Kestrel"
                    && instrument.Name = "kestrel.connection.duration"
                then
                    listener.EnableMeasurementEvents instrument

        listener.SetMeasurementEventCallback<float>(fun _ _ tags _ -> take tags)
        listener.Start()

    /// Counts what Kestrel ends on a port too.
    member _.Watch(port: int) = ports[port] <- port

    /// Counts a connection that Conduit ends. Kestrel may have had a reason of its own by then.
    member _.Count(connection: ConnectionContext, flood: Flood) =
        let ending = Http2Ending.Flood flood

        match connection.Features.Get<IConnectionMetricsTagsFeature>() with
        | null -> ()
        | feature -> feature.Tags.Add(KeyValuePair(endedBy, box (Http2Ending.name ending)))

        count ending

    /// Each reason, and how often there was one.
    member _.Counts: (string * int64) seq =
        counters |> Seq.map (fun each -> each.Key, each.Value.Value)

    interface IDisposable with
        member _.Dispose() = listener.Dispose()
