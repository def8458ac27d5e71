namespace Conduit.Server

open System.IO.Pipelines
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections
open Conduit
open Conduit.Transport.Http2

/// Ends a connection of HTTP/2 whose client does with frames what costs others much. Kestrel by itself bounds
/// what streams hold at a time, and the size of headers; how often a client takes requests back, and how many
/// frames it sends that carry nothing, it leaves open.
[<Sealed>]
type Http2Guard(connection: ConnectionContext, now: unit -> Instant, endings: Http2Endings) =

    let mutable tally = FrameTally.start (now ())

    interface IFrameListener with
        member _.Heard(kind, flags, length) =
            tally <- FrameTally.add (now ()) kind flags length tally

            match FrameTally.flood tally with
            | ValueNone -> true
            | ValueSome flood ->
                endings.Count(connection, flood)
                connection.Abort(ConnectionAbortedException "the client floods the connection")
                false

/// The input that is guarded, and the output as it was.
[<Sealed>]
type private Guarded(input: PipeReader, output: PipeWriter) =
    interface IDuplexPipe with
        member _.Input = input
        member _.Output = output

[<RequireQualifiedAccess>]
module Http2Guard =

    /// Serves a connection with a guard before it.
    let serve now endings (next: ConnectionDelegate) (connection: ConnectionContext) : Task = task {
        let plain = connection.Transport
        let guard = Http2Guard(connection, now, endings)
        connection.Transport <- Guarded(FrameReader(plain.Input, guard), plain.Output)

        try
            do! next.Invoke connection
        finally
            connection.Transport <- plain
    }
