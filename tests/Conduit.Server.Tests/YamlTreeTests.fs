module Conduit.Server.Tests.YamlTreeTests

open System
open System.Text
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

let private read text = YamlTree.parse "c.yaml" text

let private shown text = Trees.show (Trees.right (read text))

[<Fact>]
let ``values, lists and sections become a tree, and each knows its place`` () =
    let text =
        "# the front\nlb_port: 80\n\nbackends:\n  - url: http://a\n    weight: 3\n  - 'http://b'\nempty:\n"

    Assert.Equal("{lb_port:'80' backends:[{url:'http://a' weight:'3'} 'http://b'] empty:-}", shown text)

    Assert.Equal<string list>(
        [
            "lb_port 2:1 2:10"
            "backends 4:1 5:3"
            "- 5:5"
            "url 5:5 5:10"
            "weight 6:5 6:13"
            "- 7:5"
            "empty 8:1 8:7"
        ],
        Trees.places (Trees.right (read text))
    )

[<Theory>]
[<InlineData("a: ~", "{a:-}")>]
[<InlineData("a: null", "{a:-}")>]
[<InlineData("a: ''", "{a:''}")>]
[<InlineData("a: 'null'", "{a:'null'}")>]
[<InlineData("a: 010", "{a:'010'}")>]
[<InlineData("a: yes", "{a:'yes'}")>]
[<InlineData("a: |\n  x\n  y\n", "{a:'x\ny\n'}")>]
[<InlineData("a: >-\n  x\n  y\n", "{a:'x y'}")>]
[<InlineData("{a: 1, b: [2, 3]}", "{a:'1' b:['2' '3']}")>]
[<InlineData("%YAML 1.2\n---\na: 1\n...\n", "{a:'1'}")>]
[<InlineData("a: 1\r\nb: 2\r\n", "{a:'1' b:'2'}")>]
[<InlineData("", "{}")>]
[<InlineData("# nothing\n", "{}")>]
[<InlineData("---\n", "-")>]
[<InlineData("just words", "'just words'")>]
let ``the forms of YAML mean what they mean`` (text: string, expected: string) =
    Assert.Equal(expected, shown text)

[<Fact>]
let ``a key that stands twice keeps both places, for the fault that it is`` () =
    Assert.Equal<string list>(
        [ "port 1:1 1:7"; "host 2:1 2:7"; "port 3:1 3:7" ],
        Trees.places (Trees.right (read "port: 1\nhost: h\nport: 2\n"))
    )

[<Theory>]
[<InlineData("a: 1\n\tb: 2\n", "c.yaml:2:1", "is indented with a tab")>]
[<InlineData("a:\n  b: 1\n  \tc: 2\n", "c.yaml:3:3", "is indented with a tab")>]
[<InlineData("a:\n\tb: 2\n", "c.yaml:2:1", "is indented with a tab")>]
[<InlineData("a: [1, 2\n", "c.yaml:2:1", "is not YAML")>]
[<InlineData("a: 'x\n", "c.yaml:1:4", "is not YAML")>]
[<InlineData("a: @x\n", "c.yaml:1:4", "is not YAML")>]
[<InlineData("a: 1\n  b: 2\n", "c.yaml:2:4", "is not YAML")>]
[<InlineData("a: \"\\q\"\n", "c.yaml:1:4", "is not YAML")>]
[<InlineData("a: 1\nb: \"\\U99999999\"\n", "c.yaml:2:2", "is not YAML")>]
[<InlineData("a: 1\nb: {c: 1\nd: 2\n", "c.yaml:2:6", "is not YAML")>]
[<InlineData("a: 1\n---\nb: 2\n", "c.yaml:2:1", "a second document begins")>]
[<InlineData("a: 1\n---\n", "c.yaml:2:1", "a second document begins")>]
[<InlineData("a: *b\n", "c.yaml:1:4", "the alias 'b' names nothing that ends before it")>]
[<InlineData("a: *b\nc: &b 1\n", "c.yaml:1:4", "the alias 'b' names nothing that ends before it")>]
[<InlineData("a: &b [1, *b]\n", "c.yaml:1:11", "the alias 'b' names nothing that ends before it")>]
[<InlineData("a: &b\n  c: *b\n", "c.yaml:2:6", "the alias 'b' names nothing that ends before it")>]
[<InlineData("? [a, b]\n: 1\n", "c.yaml:1:3", "a key is not a single value")>]
[<InlineData("? &x {a: b}\n: 1\n", "c.yaml:1:3", "a key is not a single value")>]
[<InlineData("a: &x [1]\n*x : 2\n", "c.yaml:2:1", "a key is not a single value")>]
let ``what cannot be read is one fault, at its line and column`` (text: string, where: string, what: string) =
    Trees.refused where what (read text)

[<Fact>]
let ``an alias stands for what its anchor names, and the last anchor of a name counts`` () =
    Assert.Equal(
        "{a:['1'] b:['1'] k:'key' key:'2' c:['3'] d:['3']}",
        shown "a: &x [1]\nb: *x\nk: &k key\n*k : 2\nc: &x [3]\nd: *x\n"
    )

/// Each line unfolds into ten times the one before.
let private bomb lines =
    let text = StringBuilder "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"

    for line in 1..lines do
        let aliases = String.replicate 10 $"*a{line - 1}, "
        text.Append($"a{line}: &a{line} [{aliases.TrimEnd(' ', ',')}]\n") |> ignore

    string text

[<Fact>]
let ``aliases that unfold without measure are refused, however deep the pile`` () =
    for lines in [ 6; 9; 50 ] do
        Trees.refused "c.yaml:6:5" "unfolds into more than a million values" (read (bomb lines))

    Assert.True((read (bomb 3)).IsOk)

[<Fact>]
let ``as a key, such aliases are refused before they are unfolded`` () =
    Trees.refused "c.yaml:6:1" "a key is not a single value" (read (bomb 4 + "*a4 : x\n"))

let private nested depth = String('[', depth) + String(']', depth)

[<Fact>]
let ``64 levels are the most, through aliases too`` () =
    Assert.True((read (nested 64)).IsOk)
    Trees.refused "c.yaml:1:65" "is nested too deeply" (read (nested 65))
    Assert.True((read $"a: &x {nested 62}\nb: [*x]\n").IsOk)
    Trees.refused "c.yaml:2:6" "is nested too deeply" (read $"a: &x {nested 63}\nb: [[*x]]\n")

    let below = String.concat "" [ for depth in 0..64 -> String(' ', depth) + "a:\n" ]

    Trees.refused "c.yaml:65:65" "is nested too deeply" (read below)

let private whole =
    """
listen: { host: 127.0.0.1, port: 8080 }
pools:
  web: &web
    strategy: least-connections
    backends:
      - http://10.0.0.1:80;weight=3
      - { id: "b", url: 'http://10.0.0.2:80' }
    health_check: { type: http, path: /up, interval: 5s }
  other: *web
routes:
  - { host: "*.example.com", path: /api/*, pool: web }  # the API
notes: |
  several
  lines
"""

/// Pieces that mean something to a reader, or nearly.
let private pieces = [
    "\n"
    "\t"
    " "
    "  "
    "- "
    ": "
    "? "
    "["
    "]"
    "{"
    "}"
    ","
    "&x "
    "*x"
    "*web"
    "!!str "
    "!t "
    "|"
    ">"
    "'"
    "\""
    "#"
    "%"
    "@"
    "`"
    "---\n"
    "...\n"
    "\u0000"
    "\u0085"
    "\u2028"
    "\uFEFF"
    "\uD800"
    "é"
    "😀"
    "\\"
    "\\x"
    "<<: "
    "~"
    "\r"
    "%YAML 9.9\n"
    "%TAG ! x\n"
]

/// A line ends with any of these for YAML 1.1.
let private isSound text =
    Trees.isSound "\n\r\u0085\u2028\u2029" text (read text)

[<Fact>]
let ``any mutation of a document is read, or refused with a fault in its place`` () =
    Seeded.forAll (Trees.mutations pieces whole) (fun text -> isSound text)

[<Fact>]
let ``any pile of pieces is read, or refused with a fault in its place`` () =
    let piles =
        Gen.listOf (Gen.elements (pieces @ [ "a"; "b: 1" ]))
        |> Gen.map (String.concat "")

    Seeded.forAll piles (fun text -> isSound text)

[<Fact>]
let ``any bytes are read, or refused with a fault in its place`` () =
    let bytes = Gen.choose (0, 255) |> Gen.map byte |> Gen.arrayOf

    Seeded.forAll bytes (fun bytes ->
        let text = Encoding.Latin1.GetString bytes
        isSound text)
