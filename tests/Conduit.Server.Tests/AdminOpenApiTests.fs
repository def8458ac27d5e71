namespace Conduit.Server.Tests

open System
open System.Text.Json
open System.Threading
open Microsoft.AspNetCore.Http
open Xunit
open Conduit
open Conduit.Server

/// The description of the admin API says what the admin API does.
module AdminOpenApiTests =

    let private document () =
        let stream =
            match typeof<AdminRoute>.Assembly.GetManifestResourceStream "openapi.json" with
            | null -> failwith "openapi.json is not in the assembly"
            | stream -> stream

        JsonDocument.Parse(stream).RootElement

    /// Method and path of every operation, with the operation.
    let private operations (document: JsonElement) = [
        for path in document.GetProperty("paths").EnumerateObject() do
            for operation in path.Value.EnumerateObject() do
                (operation.Name.ToUpperInvariant(), path.Name), operation.Value
    ]

    /// Every answer of an operation: the status, the content type, and the schema with its example.
    let private answers (schema: JsonSchema) (operation: JsonElement) = [
        for answer in operation.GetProperty("responses").EnumerateObject() do
            match (schema.Resolve answer.Value).TryGetProperty "content" with
            | true, content ->
                for kind in content.EnumerateObject() do
                    answer.Name, kind.Name, kind.Value
            | _ -> ()
    ]

    [<Fact>]
    let ``every route is described, and nothing else`` () =
        let routes = [
            for route in AdminRoutes.all (AdminPorts.ports []) CancellationToken.None do
                // Of several methods the first is meant; the others are told so.
                route.Methods.Head, route.Pattern
        ]

        let described = operations (document ()) |> List.map fst
        Assert.Equal<(string * string) list>(List.sort routes, List.sort described)

    [<Fact>]
    let ``every reference leads somewhere, and every part is used`` () =
        let document = document ()
        let schema = JsonSchema document

        let rec references (element: JsonElement) : string list =
            match element.ValueKind with
            | JsonValueKind.Object -> [
                for each in element.EnumerateObject() do
                    if each.Name = "$ref" then
                        string (each.Value.GetString())
                        schema.Resolve element |> ignore
                    else
                        yield! references each.Value
              ]
            | JsonValueKind.Array -> [
                for each in element.EnumerateArray() do
                    yield! references each
              ]
            | _ -> []

        let used = references document |> set

        for kind in [ "schemas"; "parameters"; "responses" ] do
            for part in document.GetProperty("components").GetProperty(kind).EnumerateObject() do
                Assert.Contains($"#/components/{kind}/{part.Name}", used)

    [<Fact>]
    let ``every example is as its schema says`` () =
        let document = document ()
        let schema = JsonSchema document

        let errors = [
            for (method, path), operation in operations document do
                for status, kind, content in answers schema operation do
                    match content.TryGetProperty "example" with
                    | true, example ->
                        yield!
                            schema.Errors(content.GetProperty "schema", example, $"{method} {path} {status}")
                    | _ when path = "/api/v1/openapi.json" -> ()
                    | _ -> $"{method} {path} {status} {kind} has no example"

                match operation.TryGetProperty "requestBody" with
                | true, body ->
                    let content = body.GetProperty("content").GetProperty "application/json"

                    yield!
                        schema.Errors(
                            content.GetProperty "schema",
                            content.GetProperty "example",
                            $"{method} {path}"
                        )
                | _ -> ()
        ]

        Assert.Equal<string list>([], errors)

    /// The errors of a real answer.
    let private check (document: JsonElement) (method: string, pattern: string) (answer: AdminAnswer) =
        let schema = JsonSchema document
        let _, operation = operations document |> List.find (fst >> (=) (method, pattern))
        let kind = answer.ContentType.Split(';')[0]

        match
            answers schema operation
            |> List.tryFind (fun (status, described, _) -> status = string answer.Status && described = kind)
        with
        | Some(_, _, content) when kind.EndsWith "json" ->
            schema.Errors(content.GetProperty "schema", answer.Json, $"{method} {pattern} {answer.Status}")
        | Some _ -> []
        | None when
            answer.Text = ""
            && operation.GetProperty("responses").TryGetProperty(string answer.Status) |> fst
              ->
              []
        | None -> [ $"{method} {pattern} {answer.Status} {kind} is not described" ]

    [<Fact>]
    let ``every real answer is as it is described`` () =
        let ports =
            AdminPorts.ports (AdminPorts.defaultPool [ "http://10.0.0.1:8081;id=a" ])

        ports.Events.Publish ControlEvent.Stopping
        ports.Figures.Read(TimeSpan.FromSeconds 5.0)

        let ports = {
            ports with
                Stats =
                    fun http ->
                        http.Response.WriteAsJsonAsync(
                            [|
                                {
                                    url = "http://h"
                                    alive = true
                                    uptime = "00h:00m:01s"
                                    memory_usage = "0 B"
                                    conn_count = 1
                                    recent = Recent.toWire ports.Figures.Overall
                                }
                            |],
                            Wire.options
                        )
        }

        AdminPorts.runWith AdminAccess.local ports (fun port -> task {
            let v1 pattern = "/api/v1" + pattern
            let backends = v1 "/pools/{pool}/backends"
            let one = backends + "/{id}"

            let at (pattern: string) id =
                pattern.Replace("{pool}", "default").Replace("{id}", id)

            let marked = [ "X-Conduit-Request", "1" ]
            let foreign = [ "Origin", "http://evil.example" ]
            let stale = [ "If-Match", "\"0\"" ]
            let patch, post = "PATCH", "POST"

            let gets = [
                "/livez"
                "/readyz"
                "/healthz"
                "/stats"
                "/metrics"
                v1 "/overview"
                v1 "/overview/history"
                v1 "/overview/trends"
                one + "/history"
                v1 "/events/history"
                v1 "/pools"
                v1 "/pools/{pool}"
                backends
                one
                v1 "/config"
                v1 "/config/diff"
                v1 "/reload"
                v1 "/openapi.json"
                "/api/status"
            ]

            let exchanges = [
                for pattern in gets do
                    ("GET", pattern), "a", [], None

                ("GET", one), "x", [], None
                ("GET", one), "a", foreign, None
                ("GET", v1 "/events/history"), "", foreign, None
                (post, backends), "", [], Some """{"url":"http://h:1","id":"c"}"""
                (post, backends), "", [], Some """{"url":"http://h:1","id":"c"}"""
                (post, backends), "", [ "If-None-Match", "*" ], Some """{"url":"http://h:1","id":"c"}"""
                (post, backends), "", [], Some "{}"
                (post, backends), "", [], Some "{"
                (patch, one), "a", [], Some """{"state":"draining"}"""
                (patch, one), "a", stale, Some """{"state":"draining"}"""
                (patch, one), "a", [], Some "{}"
                (patch, one), "x", [], Some """{"weight":1}"""
                ("DELETE", one), "c", [], None
                ("DELETE", one), "a", stale, None
                (post, v1 "/reload"), "", marked, None
                (post, v1 "/reload"), "", [], None
                (post, "/api/toggle-backend"),
                "",
                [],
                Some """{"url":"http://10.0.0.1:8081","enable":true}"""
                (post, "/api/toggle-backend"), "", [], Some "{}"
            ]

            for (method, pattern), id, headers, body in exchanges do
                let! answer =
                    match body with
                    | Some json -> port.Write method (at pattern id) headers json
                    | None -> port.Send method (at pattern id) headers None

                Assert.Equal<string list>([], check (document ()) (method, pattern) answer)
        })
