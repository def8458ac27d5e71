module Conduit.Tests.HeadWriterTests

open System
open System.Text
open FsCheck
open Xunit
open Conduit.Transport

let private text (writer: HeadWriter) =
    Encoding.Latin1.GetString writer.Written.Span

[<Fact>]
let ``a head is its request line, its fields and an empty line`` () =
    let writer = HeadWriter()
    writer.Begin("GET", "/base", "/a?b=c")
    writer.Field("Host", "example.test")
    writer.Field("X-Forwarded-For", "10.0.0.1", "10.0.0.2")
    writer.Field("Content-Length", 42L)
    writer.End()

    Assert.Equal(
        "GET /base/a?b=c HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n"
        + "Content-Length: 42\r\n\r\n",
        text writer
    )

[<Fact>]
let ``fields of any number and length come out as they went in`` () =
    Property.check (fun (response: Response) ->
        let writer = HeadWriter()
        writer.Begin("GET", "", "/")

        for name, value in response.Fields do
            writer.Field(name, value)

        writer.End()

        let lines =
            response.Fields |> List.map (fun (name, value) -> $"{name}: {value}\r\n")

        text writer = "GET / HTTP/1.1\r\n" + String.concat "" lines + "\r\n")

[<Theory>]
[<InlineData("a\r\nb: c")>]
[<InlineData("a\nb: c")>]
[<InlineData("a\rb")>]
[<InlineData("a\000b")>]
let ``what would begin another line is refused, wherever it stands`` (text: string) =
    let refused (write: HeadWriter -> unit) =
        let writer = HeadWriter()
        writer.Begin("GET", "", "/")
        Assert.Throws<ArgumentException>(fun () -> write writer) |> ignore

    refused (fun writer -> writer.Field("X", text))
    refused (fun writer -> writer.Field(text, "x"))
    refused (fun writer -> writer.Field("X", "x", text))
    refused (fun writer -> writer.Begin("GET", "", "/" + text))
    refused (fun writer -> writer.Begin(text, "", "/"))

[<Fact>]
let ``a writer that is released begins anew`` () =
    let writer = HeadWriter()
    writer.Begin("POST", "", "/first")
    writer.Release()
    writer.Begin("GET", "", "/second")
    writer.End()
    Assert.Equal("GET /second HTTP/1.1\r\n\r\n", text writer)
