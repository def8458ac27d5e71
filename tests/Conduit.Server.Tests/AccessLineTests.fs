module Conduit.Server.Tests.AccessLineTests

open System
open System.Text
open System.Text.Json
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

/// Texts of strangers: what ends a line, a field or a JSON text, and half a pair of surrogates.
let private hostile: Gen<string | null> =
    let character =
        Gen.frequency [
            4,
            Gen.elements [
                '\n'
                '\r'
                '"'
                '\\'
                '='
                ' '
                '-'
                '\000'
                '\t'
                '\u0085'
                '\u2028'
                '\u001b'
            ]
            2, Gen.elements [ '\uD83D'; '\uDE00'; '\uD800'; 'é'; '\uFFFF' ]
            4, Gen.choose (0x20, 0x7e) |> Gen.map char
        ]

    Gen.frequency [
        1, Gen.constant null
        8, Gen.arrayOf character |> Gen.map (fun characters -> String characters)
        1, Gen.elements [ "-"; ""; "null"; "GET"; "/a?b=c" ]
    ]

let private entries: Gen<AccessEntry> = gen {
    let! texts = Gen.arrayOfLength 10 hostile
    let! numbers = Gen.arrayOfLength 4 (Gen.choose (0, Int32.MaxValue))
    let! ticks = Gen.choose (0, Int32.MaxValue)

    return {
        At = DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc).AddTicks(int64 ticks)
        RequestId = texts[0]
        Client = texts[1]
        Scheme = texts[2]
        Protocol = texts[3]
        Method = texts[4]
        Host = texts[5]
        Target = texts[6]
        UserAgent = texts[7]
        Referer = texts[8]
        Status = numbers[0]
        Received = int64 numbers[1]
        Sent = int64 numbers[2] * 1000L
        Duration = TimeSpan.FromTicks(int64 ticks)
        FirstByte =
            if ticks % 2 = 0 then
                ValueNone
            else
                ValueSome(TimeSpan.FromTicks 12345L)
        Tries = numbers[3]
        Backend = ValueNone
        Cause = texts[9]
    }
}

let private fields = List.map snd AccessField.names

let private lineOf format (entry: AccessEntry) =
    let line = LineWriter()
    AccessLine.write format fields &entry line
    Encoding.ASCII.GetString line.Written

/// A text as it comes back: half a pair of surrogates is broken, and stands for nothing else.
let private mended (text: string | null) : string | null =
    match text with
    | null -> null
    | text -> Encoding.UTF8.GetString(Encoding.UTF8.GetBytes text)

let private texts (entry: AccessEntry) = [
    "request_id", entry.RequestId
    "client", entry.Client
    "scheme", entry.Scheme
    "protocol", entry.Protocol
    "method", entry.Method
    "host", entry.Host
    "target", entry.Target
    "user_agent", entry.UserAgent
    "referer", entry.Referer
    "cause", entry.Cause
]

let private isOneLine (line: string) =
    line.EndsWith '\n'
    && line.TrimEnd('\n').Length = line.Length - 1
    && line.TrimEnd('\n') |> Seq.forall (fun c -> c >= ' ' && c <= '~')

[<Fact>]
let ``whatever a client sends, JSON is one line with the same texts in it`` () =
    Seeded.forAll entries (fun entry ->
        let line = lineOf LogFormat.Json entry
        use document = JsonDocument.Parse line
        let said (name: string) = document.RootElement.GetProperty name

        isOneLine line
        && Seq.length (document.RootElement.EnumerateObject()) = fields.Length
        && texts entry
           |> List.forall (fun (name, text) -> (said name).GetString() = mended text)
        && (said "status").GetInt32() = entry.Status
        && (said "sent_bytes").GetInt64() = entry.Sent
        && (said "duration_ms").GetDecimal() = decimal (entry.Duration.Ticks / 10L) / 1000m
        && (said "first_byte_ms").ValueKind =
            (if entry.FirstByte.IsSome then
                 JsonValueKind.Number
             else
                 JsonValueKind.Null)
        && (said "time").GetDateTime() = entry.At.AddTicks(-(entry.At.Ticks % TimeSpan.TicksPerMillisecond)))

/// Reads a line of text as whoever analyses it would: pairs, whose values are bare or in quotes.
let private pairs (line: string) : (string * string | null) list =
    let rec read (rest: string) =
        match rest.IndexOf '=' with
        | -1 -> []
        | equals ->
            let name = rest.Substring(0, equals)
            let rest = rest.Substring(equals + 1)

            let length =
                if rest.StartsWith '"' then
                    let mutable at = 1

                    while rest[at] <> '"' do
                        at <- at + (if rest[at] = '\\' then 2 else 1)

                    at + 1
                else
                    match rest.IndexOf ' ' with
                    | -1 -> rest.Length
                    | space -> space

            let written = rest.Substring(0, length)

            let value: string | null =
                match written with
                | "-" -> null
                | quoted when quoted.StartsWith '"' -> (JsonDocument.Parse quoted).RootElement.GetString()
                | bare -> bare

            (name, value) :: read (rest.Substring(min rest.Length (length + 1)))

    read (line.TrimEnd '\n')

[<Fact>]
let ``whatever a client sends, text is one line with the same pairs in it`` () =
    Seeded.forAll entries (fun entry ->
        let line = lineOf LogFormat.Text entry
        let found = pairs line

        let says name (expected: string | null) =
            found
            |> List.exists (fun (other, value) -> other = name && String.Equals(value, expected))

        isOneLine line
        && List.map fst found = List.map fst AccessField.names
        && texts entry |> List.forall (fun (name, text) -> says name (mended text))
        && says "status" (string entry.Status))

[<Fact>]
let ``a line has the fields that are asked for, in their order`` () =
    let entry = {
        At = DateTime(2026, 1, 2, 3, 4, 5, 678, DateTimeKind.Utc)
        RequestId = "r1"
        Client = "192.0.2.1"
        Scheme = "http"
        Protocol = "HTTP/1.1"
        Method = "GET"
        Host = "example.org"
        Target = "/a b"
        UserAgent = null
        Referer = null
        Status = 200
        Received = 0L
        Sent = 5L
        Duration = TimeSpan.FromMilliseconds 1.5
        FirstByte = ValueNone
        Tries = 1
        Backend = ValueNone
        Cause = null
    }

    let line format =
        let line = LineWriter()

        AccessLine.write
            format
            [
                AccessField.Status
                AccessField.Time
                AccessField.Target
                AccessField.UserAgent
                AccessField.Duration
            ]
            &entry
            line

        Encoding.ASCII.GetString line.Written

    Assert.Equal(
        "status=200 time=2026-01-02T03:04:05.678Z target=\"/a b\" user_agent=- duration_ms=1.500\n",
        line LogFormat.Text
    )

    Assert.Equal(
        """{"status":200,"time":"2026-01-02T03:04:05.678Z","target":"/a b","user_agent":null,"duration_ms":1.500}"""
        + "\n",
        line LogFormat.Json
    )
