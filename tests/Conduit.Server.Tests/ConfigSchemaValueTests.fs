namespace Conduit.Server.Tests

open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Xunit
open Conduit

/// The schema that editors get finds right what the readers find right.
module ConfigSchemaValueTests =

    /// Values of all kinds that keys have: right for some, wrong for others.
    let private samples = [
        "-1"
        "0"
        "1"
        "0.25"
        "2.5e0"
        "100"
        "257"
        "1001"
        "65536"
        "true"
        "no"
        "maybe"
        "0s"
        "500ms"
        "1m30s"
        "1.5h"
        "5 s"
        "5d"
        "connect"
        "tcp"
        "https"
        "ip"
        "cookie"
        "uri"
        "header:X-Tenant"
        "header:"
        "10/s"
        "10/d"
        "10MB"
        "10 MB"
        "maglev"
        "json"
        "warning"
        "TLS12"
        "tls13"
        "SSL3"
        "none"
        "http1"
        "grpc"
        "round-robin"
        "least-connection"
        "p2c"
        "fastest"
        "127.0.0.1"
        "::1"
        "[::1]"
        "*"
        "localhost"
        "127.0.0.1:3332"
        "[::1]:3332"
        ":3332"
        ":65536"
        "www.example.com"
        "*.example.com"
        "*example.com"
        "example.com:80"
        "-example.com"
        "1.2.3"
        "/"
        "/*"
        "/health"
        "/health/*"
        "/health?x"
        "/a b"
        "/a/../b"
        "//"
        "http://10.0.0.9:8081"
        "https://backend.example/base"
        "http://10.0.0.9:8081;weight=3;id=x"
        "http://10.0.0.9:8081;wieght=3"
        "http://10.0.0.9:8081/?x"
        "http://user@10.0.0.9"
        "ftp://10.0.0.9"
        "default"
        "0123456789abcde"
        "0123456789abcdef"
        "0123456789 abcdef"
        "file:/run/secrets/token"
        "with a blank"
        "GET"
        "X-Tenant"
        "X:Tenant"
        "line\nbreak"
        String.replicate 200 "x"
    ]

    /// Lists and sections.
    let private compounds = [
        "{}"
        "[]"
        """["GET"]"""
        """["with a blank"]"""
        """["http://10.0.0.9:8081"]"""
        """["http://10.0.0.9:8081", { "url": "http://10.0.0.8:8081" }]"""
        """[{ "id": "x" }]"""
        """[{}]"""
        "[[]]"
        """{ "nonsense": 1 }"""
        """{ "enabled": true }"""
        """{ "X-Tenant": "acme" }"""
        """{ "X-Tenant": ["acme"] }"""
        """{ "with a blank": "acme" }"""
        """{ "web": { "backends": ["http://10.0.0.9:8081"] } }"""
        """{ "web site": { "backends": ["http://10.0.0.9:8081"] } }"""
    ]

    /// How a text may stand in a file: in quotes, and plain where it is a number or a boolean.
    let private forms (text: string) = [
        JsonSerializer.Serialize text
        match text with
        | "true" -> text
        | _ when Regex.IsMatch(text, @"^-?[0-9.]+(e[0-9]+)?$") ->
            try
                (JsonNode.Parse text |> Unchecked.nonNull).ToJsonString()
            with :? JsonException ->
                ()
        | _ -> ()
    ]

    /// Where the schema of a key draws its lines: the names it has, and the numbers on both sides of a limit.
    let private limits name key = [
        for found in
            ConfigSchema.properties name
            |> List.filter (fst >> (=) key)
            |> List.collect (snd >> ConfigSchema.choices) do
            for known in Option.toList (ConfigSchema.tryProperty "enum" found) do
                for each in known.EnumerateArray() do
                    if each.ValueKind = JsonValueKind.String then
                        string each

            for keyword in [ "minimum"; "maximum" ] do
                for limit in Option.toList (ConfigSchema.tryProperty keyword found) do
                    for by in [ -1m; 0m; 1m ] do
                        string (limit.GetDecimal() + by)
    ]

    let paths: TheoryData<string, string> =
        let data = TheoryData<string, string>()

        for section, keys in Keys.sections do
            for key in keys do
                data.Add(section, key)

        data

    [<Theory>]
    [<MemberData(nameof paths)>]
    let ``a value is right in an editor if it is right for the reader`` (section: string, key: string) =
        // Which pools there are is beyond a schema, and so is what the backends' URLs allow.
        let isRight value =
            ConfigKey.faults (ConfigKey.document section [ key, value ])
            |> List.forall (fun fault ->
                fault.What.StartsWith "there is no pool "
                || fault.What.EndsWith " cannot be spoken to by h2")

        let isUnmarked value =
            (ConfigKey.marked (ConfigKey.document section [ key, value ])).IsEmpty

        let offered = ConfigKey.choices section key @ limits section key

        let differences = [
            for forms in (samples @ offered |> List.map forms) @ (compounds |> List.map List.singleton) do
                for form in forms do
                    if isUnmarked form && not (isRight form) then
                        $"{form} is wrong, and not marked"

                // One form that the editor likes is enough: a host is no number, though it may look so.
                if List.exists isRight forms && not (List.exists isUnmarked forms) then
                    $"{forms.Head} is right, and marked"
        ]

        Assert.Equal<string list>([], differences)

    [<Fact>]
    let ``a value may come from the environment`` () =
        for section, keys in Keys.sections do
            for key in keys do
                let isUnmarked value =
                    (ConfigKey.marked (ConfigKey.document section [ key, value ])).IsEmpty

                let isSingle = samples |> List.collect forms |> List.exists isUnmarked
                Assert.Equal((section, key, isSingle), (section, key, isUnmarked "\"${NAME:-x}\""))

    [<Theory>]
    [<InlineData("""{ "listen": 1, "server": { "port": 1 }, "backends": ["http://a"] }""")>]
    [<InlineData("""{ "listen": 1, "lb_port": 1, "backends": ["http://a"] }""")>]
    [<InlineData("""{ "strategy": "random", "algorithm": "random", "backends": ["http://a"] }""")>]
    [<InlineData("""{ "health_check": { "fall": 1, "failure_threshold": 1 }, "backends": ["http://a"] }""")>]
    [<InlineData("""{ "health_check": { "type": "tcp", "path": "/x" }, "backends": ["http://a"] }""")>]
    [<InlineData("""{ "pools": { "a": { "strategy": "random", "algorithm": "random", "backends": ["http://a"] } } }""")>]
    let ``what cannot stand together is marked`` (text: string) =
        Assert.NotEmpty(ConfigKey.faults text)
        Assert.NotEmpty(ConfigKey.marked text)
