namespace Conduit.Server

open System.Buffers
open System.IO.Pipelines
open System.Threading
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features

/// IMPURE: a request's body that was read whole, so that each try can send it from its beginning. It stands in
/// the place of the client's body until it is released.
[<Sealed>]
type KeptBody private (http: HttpContext, body: byte[]) =

    /// The most that all requests together keep, in bytes.
    static let most = 64L * 1024L * 1024L

    static let mutable kept = 0L

    let before = http.Features.Get<IRequestBodyPipeFeature>()
    let mutable reader = PipeReader.Create(ReadOnlySequence<byte> body)

    /// Takes so many bytes of what all requests may keep; false when too little is left.
    static member TryReserve(size: int) =
        if Interlocked.Add(&kept, int64 size) <= most then
            true
        else
            KeptBody.GiveBack size
            false

    static member GiveBack(size: int) =
        Interlocked.Add(&kept, -(int64 size)) |> ignore

    /// What all requests keep now, in bytes.
    static member Sum = Volatile.Read &kept

    /// Puts a body, for which room was reserved, in the place of the request's own.
    static member Put(http: HttpContext, body: byte[]) =
        let keptBody = KeptBody(http, body)
        keptBody.Rewind()
        keptBody

    /// Begins anew for another try.
    member this.Rewind() =
        reader <- PipeReader.Create(ReadOnlySequence<byte> body)
        http.Features.Set<IRequestBodyPipeFeature>(this)

    interface IRequestBodyPipeFeature with
        member _.Reader = reader

    /// Puts the request's own body back in its place, and gives the room back.
    member _.Release() =
        http.Features.Set<IRequestBodyPipeFeature> before
        KeptBody.GiveBack body.Length
