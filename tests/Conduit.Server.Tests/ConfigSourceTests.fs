module Conduit.Server.Tests.ConfigSourceTests

open System
open System.IO
open System.Text
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

let private load (directory: ConfigDirectory) (name: string) (bytes: byte[]) =
    let path = directory.Path name
    File.WriteAllBytes(path, bytes)
    ConfigSource.load { File = Some path; Overlay = [] }

let private loadText directory name (text: string) =
    load directory name (Encoding.UTF8.GetBytes text)

/// Each fault as `line:column: path`, without the directory of the test.
let private places (directory: ConfigDirectory) name read = [
    for fault in Trees.wrong read -> (fault: Fault).Where.Replace(directory.Path name + ":", "")
]

[<Theory>]
[<InlineData("conduit.yaml", "lb_port: 81\nbackends: [http://a]\n")>]
[<InlineData("conduit.json", "{\"lb_port\": 81, \"backends\": [\"http://a\"]}")>]
let ``a mark of UTF-8 before the text is no part of it`` (name: string, text: string) =
    use directory = new ConfigDirectory()
    let bytes = Array.append [| 0xEFuy; 0xBBuy; 0xBFuy |] (Encoding.UTF8.GetBytes text)
    Assert.Equal(81, (Trees.right (load directory name bytes)).Config.Listen.Port)

[<Fact>]
let ``a file in another encoding is refused where it is first seen`` () =
    use directory = new ConfigDirectory()

    let latin1 =
        Encoding.Latin1.GetBytes "lb_port: 81\nbackends: [{id: zürich, url: http://a}]\n"

    let read = load directory "c.yaml" latin1
    Trees.refused (directory.Path "c.yaml" + ":2:18") "is not UTF-8" read

    let utf16 =
        Array.append [| 0xFFuy; 0xFEuy |] (Encoding.Unicode.GetBytes "lb_port: 81")

    Trees.refused (directory.Path "c.json" + ":1:1") "is not UTF-8" (load directory "c.json" utf16)

[<Fact>]
let ``what follows a character that ends a text elsewhere is not lost in silence`` () =
    use directory = new ConfigDirectory()

    for name in [ "c.yaml"; "c.json" ] do
        let read = loadText directory name "lb_port: 81\n# é\u0000\nbackends: [http://a]\n"
        Trees.refused (directory.Path name + ":2:4") "has the control character U+0000" read

[<Fact>]
let ``ten faults of a YAML file are told at once, each with its line and column`` () =
    use directory = new ConfigDirectory()

    let text =
        """listen: { host: nowhere, port: 99999 }
drain_timeout: soon
strategy: best
strategi: random
backends:
  - http://a;weight=257
  - { id: b, url: "ftp://b" }
  - { url: http://c, wieght: 3 }
health_check:
  interval: 1ms
  rise: 0
  rise: 2
log: { level: loud }
"""

    Assert.Equal<string list>(
        [
            "1:17: listen.host"
            "1:32: listen.port"
            "2:16: drain_timeout"
            "3:11: strategy"
            "4:1: strategi"
            "6:5: backends[0]"
            "7:19: backends[1].url"
            "8:22: backends[2].wieght"
            "10:13: health_check.interval"
            "11:9: health_check.rise"
            "12:3: health_check.rise"
            "13:15: log.level"
        ],
        loadText directory "c.yaml" text
        |> places directory "c.yaml"
        |> List.sortBy (fun place ->
            let parts = place.Split ':'
            int parts[0], int parts[1])
    )

[<Fact>]
let ``a JSON file's faults have their lines and columns too`` () =
    use directory = new ConfigDirectory()

    let text =
        "{\n  \"lb_port\": 81,\n  \"lb_port\": 82,\n  \"backends\": [\"x\",\n    \"http://b\"],\n  \"é\": 1, \"y\": 2\n}"

    Assert.Equal<string list>(
        [ "3:3: lb_port"; "4:16: backends[0]"; "6:11: y"; "6:3: é" ],
        loadText directory "c.json" text |> places directory "c.json" |> List.sort
    )

[<Fact>]
let ``a file that is not there, or cannot be read, is a fault`` () =
    use directory = new ConfigDirectory()

    for path, what in
        [
            directory.Path "none.yaml", "does not exist"
            directory.Path "no/such/directory.yaml", "does not exist"
            directory.Path ".", "is a directory"
        ] do
        Trees.refused "--config" what (ConfigSource.load { File = Some path; Overlay = [] })

[<Theory>]
[<InlineData "c.yaml">]
[<InlineData "c.json">]
let ``any bytes are a configuration or faults, never an exception`` (name: string) =
    use directory = new ConfigDirectory()
    let likely = [ 0xEFuy; 0xBBuy; 0xBFuy; 0xC3uy; 0xA9uy; 0xFFuy; 0uy; 10uy; 13uy; 9uy; 32uy ]

    let bytes =
        Gen.frequency [
            1, Gen.elements likely
            2, Gen.choose (0, 255) |> Gen.map byte
            4, Gen.choose (32, 126) |> Gen.map byte
        ]
        |> Gen.arrayOf

    Seeded.forAll bytes (fun bytes ->
        match load directory name bytes with
        | Ok _ -> true
        | Error faults ->
            not faults.IsEmpty
            && faults
               |> List.forall (fun fault -> fault.Where <> "" && fault.What <> "" && fault.Remedy <> ""))
