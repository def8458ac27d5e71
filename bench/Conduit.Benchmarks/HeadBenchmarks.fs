namespace Conduit.Benchmarks

open System
open System.Text
open BenchmarkDotNet.Attributes
open Conduit.Transport

/// A response's head read, and a request's head written.
[<MemoryDiagnoser(false)>]
type HeadBenchmarks() =

    let head = ResponseHead()
    let parser = ResponseParser head
    let writer = HeadWriter()
    let mutable bytes = Array.empty<byte>
    let mutable fields = Array.empty<struct (string * string)>

    [<Params(5, 40)>]
    member val Fields = 5 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        fields <-
            Array.init this.Fields (fun index ->
                struct ($"X-Field-{index}", $"a value of usual length {index}"))

        let lines =
            fields
            |> Array.map (fun (struct (name, value)) -> $"{name}: {value}\r\n")
            |> String.concat ""

        bytes <- Encoding.ASCII.GetBytes $"HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n"

    [<Benchmark>]
    member _.Read() =
        parser.Begin()
        parser.Read(ReadOnlySpan bytes)

    [<Benchmark>]
    member _.Write() =
        writer.Begin("GET", "", "/a/path/of/usual/length?and=a&query")

        for struct (name, value) in fields do
            writer.Field(name, value)

        writer.End()
        writer.Written.Length
