module Conduit.Server.Tests.JsonTreeTests

open System
open System.Text
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

let private read text = JsonTree.parse "c.json" text

let private shown text = Trees.show (Trees.right (read text))

[<Fact>]
let ``values, lists and sections become a tree, and each knows its place`` () =
    let text =
        """{
  "server": { "port": 8080 }, // the front
  "backends": [
    { "id": "é", "url": "http://a" },
    "http://b"
  ],
  "empty": null
}"""

    Assert.Equal("{server:{port:'8080'} backends:[{id:'é' url:'http://a'} 'http://b'] empty:-}", shown text)

    Assert.Equal<string list>(
        [
            "server 2:3 2:13"
            "port 2:15 2:23"
            "backends 3:3 3:15"
            "- 4:5"
            "id 4:7 4:13"
            // A letter of two bytes is one column.
            "url 4:18 4:25"
            "- 5:5"
            "empty 7:3 7:12"
        ],
        Trees.places (Trees.right (read text))
    )

[<Theory>]
[<InlineData("{}", "{}")>]
[<InlineData("[1, -2.5e3, true, false, null]", "['1' '-2.5e3' 'true' 'false' -]")>]
[<InlineData("\"a\\u00e9\\n\"", "'aé\n'")>]
[<InlineData("{\"a\": [], \"b\": {},}", "{a:[] b:{}}")>]
[<InlineData("/* before */ {\"a\": 1}", "{a:'1'}")>]
[<InlineData("{\"a\": 1, \"a\": 2}", "{a:'1' a:'2'}")>]
let ``the forms of JSON mean what they mean, with comments and trailing commas``
    (text: string, expected: string)
    =
    Assert.Equal(expected, shown text)

[<Theory>]
[<InlineData("", "c.json:1:1")>]
[<InlineData("{", "c.json:1:2")>]
[<InlineData("{\"a\" 1}", "c.json:1:6")>]
[<InlineData("{\n  \"a\": 01\n}", "c.json:2:9")>]
[<InlineData("{\n  \"é\": nul\n}", "c.json:2:11")>]
[<InlineData("{\"a\": 1} {\"b\": 2}", "c.json:1:10")>]
[<InlineData("{\"a\": \"x\ny\"}", "c.json:1:9")>]
[<InlineData("[\n1\n2\n]", "c.json:3:1")>]
[<InlineData("['a']", "c.json:1:2")>]
[<InlineData("{\"a\": \"\\ud800\"}", "c.json:1:7")>]
[<InlineData("{\n\"\\udc00\": 1}", "c.json:2:1")>]
let ``what cannot be read is one fault, at its line and column`` (text: string, where: string) =
    Trees.refused where "is not JSON: " (read text)

[<Fact>]
let ``the fault says why, without the reader's own count of lines`` () =
    let fault = Assert.Single(Trees.wrong (read "{\"a\": tru}"))
    Assert.Contains("'tru}' is an invalid JSON literal", fault.What)
    Assert.DoesNotContain("LineNumber", fault.What)

[<Fact>]
let ``64 levels are the most`` () =
    let nested depth = String('[', depth) + String(']', depth)
    Assert.True((read (nested 64)).IsOk)
    Trees.refused "c.json:1:65" "64" (read (nested 65))
    Trees.refused "c.json:1:65" "64" (read (String('[', 200_000)))

let private whole =
    """{
  "server": { "port": 8080, "tls": { "enabled": false } },
  "backends": [ { "id": "é\n", "url": "http://10.0.0.1:80", "weight": 3 }, "http://b" ],
  /* checks */ "health_check": { "interval": "5s", "path": null }, "x": [ 1.5e3, true ],
}
"""

let private pieces = [
    "\n"
    " "
    "{"
    "}"
    "["
    "]"
    ","
    ":"
    "\""
    "'"
    "\\"
    "\\u"
    "\\ud83d"
    "\\ude00"
    "\"\\ud800\""
    "//"
    "/*"
    "*/"
    "null"
    "tru"
    "-"
    "0"
    "1e"
    "."
    "\u0000"
    "\uFEFF"
    "\uD800"
    "é"
    "😀"
    "\r"
]

[<Fact>]
let ``any mutation of a document is read, or refused with a fault in its place`` () =
    Seeded.forAll (Trees.mutations pieces whole) (fun text -> Trees.isSound "\n" text (read text))

[<Fact>]
let ``any pile of pieces is read, or refused with a fault in its place`` () =
    let piles =
        Gen.listOf (Gen.elements (pieces @ [ "1"; "\"a\"" ]))
        |> Gen.map (String.concat "")

    Seeded.forAll piles (fun text -> Trees.isSound "\n" text (read text))

[<Fact>]
let ``any bytes are read, or refused with a fault in its place`` () =
    let bytes = Gen.choose (0, 255) |> Gen.map byte |> Gen.arrayOf

    Seeded.forAll bytes (fun bytes ->
        let text = Encoding.Latin1.GetString bytes
        Trees.isSound "\n" text (read text))
