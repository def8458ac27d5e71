namespace Conduit.Server.Tests

open System
open System.Buffers.Binary
open System.Collections.Concurrent
open System.IO
open System.Text
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Server.Kestrel.Core

/// One field of a message of Protocol Buffers: its number, and its value as a number or as bytes.
type WireField = {
    Number: int
    Value: uint64
    Bytes: byte[]
}

/// Reads what Protocol Buffers have written, without knowing what it means.
[<RequireQualifiedAccess>]
module Protobuf =

    let private varint (bytes: byte[]) (start: int) =
        let mutable value, shift, at = 0UL, 0, start
        let mutable going = true

        while going do
            let next = bytes[at]
            value <- value ||| (uint64 (next &&& 0x7fuy) <<< shift)
            shift <- shift + 7
            at <- at + 1
            going <- next >= 0x80uy

        value, at

    let fields (bytes: byte[]) : WireField list =
        let rec read at = [
            if at < bytes.Length then
                let key, at = varint bytes at
                let number = int (key >>> 3)

                let field value bytes = {
                    Number = number
                    Value = value
                    Bytes = bytes
                }

                match key &&& 7UL with
                | 0UL ->
                    let value, at = varint bytes at
                    field value [||]
                    yield! read at
                | 1UL ->
                    field (BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(bytes, at, 8))) [||]
                    yield! read (at + 8)
                | 2UL ->
                    let length, at = varint bytes at
                    field 0UL (Array.sub bytes at (int length))
                    yield! read (at + int length)
                | 5UL ->
                    field (uint64 (BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, at, 4)))) [||]
                    yield! read (at + 4)
                | other -> failwith $"no such kind of field: {other}"
        ]

        read 0

    /// All messages that stand in the field of this number.
    let below number (message: WireField list) =
        message
        |> List.filter (fun field -> field.Number = number)
        |> List.map (fun field -> fields field.Bytes)

/// A span as OTLP brings it. Ids are in hexadecimal digits.
type ReceivedSpan = {
    Trace: string
    Id: string
    /// Empty where it begins its trace.
    Parent: string
    Name: string
    /// 2 for a server's, 3 for a client's.
    Kind: int
    /// 2 for an error.
    Status: int
    Attributes: Map<string, string>
}

/// A collector that takes OTLP over HTTP, and keeps what it gets.
[<Sealed>]
type OtlpReceiver private (server: Http2Backend, bodies: ConcurrentQueue<string * byte[]>) =

    static let hex (field: WireField option) =
        field
        |> Option.map (fun field -> Convert.ToHexStringLower field.Bytes)
        |> Option.defaultValue ""

    static let text (bytes: byte[]) = Encoding.UTF8.GetString bytes

    /// An attribute's value: a text, or a whole number.
    static let value (value: WireField list) =
        match value with
        | [ field ] when field.Number = 1 -> text field.Bytes
        | [ field ] -> string field.Value
        | _ -> ""

    static let attribute (pair: WireField list) =
        let key = pair |> List.find (fun field -> field.Number = 1)
        text key.Bytes, Protobuf.below 2 pair |> List.head |> value

    static let span (fields: WireField list) =
        let tryField number =
            fields |> List.tryFind (fun field -> field.Number = number)

        {
            Trace = hex (tryField 1)
            Id = hex (tryField 2)
            Parent = hex (tryField 4)
            Name =
                tryField 5
                |> Option.map (fun field -> text field.Bytes)
                |> Option.defaultValue ""
            Kind = tryField 6 |> Option.map (fun field -> int field.Value) |> Option.defaultValue 0
            Status =
                Protobuf.below 15 fields
                |> List.concat
                |> List.tryFind (fun field -> field.Number = 3)
                |> Option.map (fun field -> int field.Value)
                |> Option.defaultValue 0
            Attributes = Protobuf.below 9 fields |> List.map attribute |> Map.ofList
        }

    let sent path = [
        for at, body in bodies do
            if at = path then
                body
    ]

    member _.Url = server.Url

    /// All spans so far.
    member _.Spans: ReceivedSpan list =
        sent "/v1/traces"
        |> List.map Protobuf.fields
        |> List.collect (Protobuf.below 1)
        |> List.collect (Protobuf.below 2)
        |> List.collect (Protobuf.below 2)
        |> List.map span

    /// The names of all metrics so far.
    member _.Metrics: string list =
        sent "/v1/metrics"
        |> List.map Protobuf.fields
        |> List.collect (Protobuf.below 1)
        |> List.collect (Protobuf.below 2)
        |> List.collect (Protobuf.below 2)
        |> List.choose (List.tryFind (fun field -> field.Number = 1))
        |> List.map (fun field -> text field.Bytes)
        |> List.distinct

    static member Start() : Task<OtlpReceiver> = task {
        let bodies = ConcurrentQueue<string * byte[]>()

        let! server =
            Http2Backend.Start(
                HttpProtocols.Http1,
                None,
                false,
                RequestDelegate(fun http -> task {
                    use body = new MemoryStream()
                    do! http.Request.Body.CopyToAsync body
                    bodies.Enqueue(string http.Request.Path, body.ToArray())
                })
            )

        return new OtlpReceiver(server, bodies)
    }

    interface IAsyncDisposable with
        member _.DisposeAsync() =
            (server :> IAsyncDisposable).DisposeAsync()
