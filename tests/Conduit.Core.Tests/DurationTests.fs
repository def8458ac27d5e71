module Conduit.Tests.DurationTests

open System
open FsCheck
open Xunit
open Conduit

/// Milliseconds up to the longest duration, from a non-negative number of any size.
let private within (number: uint64) =
    int64 (number % uint64 (int64 Duration.longest.TotalMilliseconds + 1L))

[<Fact>]
let ``what is formatted reads back as the same duration`` () =
    Property.check (fun (DoNotSize number) ->
        let value = TimeSpan.FromMilliseconds(within number, 0L)
        Duration.parse "--x" (Duration.format value) = Ok value)

[<Fact>]
let ``a tick more or less survives too`` () =
    Property.check (fun (DoNotSize number: DoNotSize<uint64>) ->
        let value =
            TimeSpan.FromTicks(int64 (number % uint64 (Duration.longest.Ticks + 1L)))

        Duration.parse "--x" (Duration.format value) = Ok value)

[<Fact>]
let ``whole units are formatted as such`` () =
    Property.check (fun (PositiveInt count) ->
        let hours = count % 500 + 1

        Duration.format (TimeSpan.FromHours(float hours)) = $"{hours}h"
        && Duration.format (TimeSpan.FromMinutes(float (60 * hours + 1))) = $"{60 * hours + 1}m")

[<Fact>]
let ``a fraction is worth exactly what it says`` () =
    Property.check (fun (DoNotSize number) ->
        let milliseconds = within number
        let text = $"{milliseconds / 1000L}.{milliseconds % 1000L:D3}s"
        Duration.parse "--x" text = Ok(TimeSpan.FromMilliseconds(milliseconds, 0L)))

[<Fact>]
let ``a sum is worth its parts`` () =
    Property.check (fun (h: byte) (m: byte) (s: byte) (ms: byte) ->
        let expected = TimeSpan(0, int h, int m, int s, int ms)
        Duration.parse "--x" $"{h}h{m}m{s}s{ms}ms" = Ok expected)

[<Fact>]
let ``any text is a duration in range, or a fault with its place and a remedy`` () =
    Property.check (fun (text: string) ->
        match Duration.parse "--x" text with
        | Ok value -> value >= TimeSpan.Zero && value <= Duration.longest
        | Error fault -> fault.Where = "--x" && fault.What <> "" && fault.Remedy <> "")

[<Fact>]
let ``nothing below the least is accepted`` () =
    Property.check (fun (DoNotSize number) (DoNotSize least) ->
        let value = TimeSpan.FromMilliseconds(within number, 0L)
        let least = TimeSpan.FromMilliseconds(within least, 0L)

        match Duration.parseAtLeast least "--x" (Duration.format value) with
        | Ok read -> read = value && value >= least
        | Error fault -> value < least && fault.Where = "--x" && fault.Remedy.Contains "shortest")

[<Theory>]
[<InlineData("500ms", 500)>]
[<InlineData("2s", 2_000)>]
[<InlineData(" 1m ", 60_000)>]
[<InlineData("1h", 3_600_000)>]
[<InlineData("1m30s", 90_000)>]
[<InlineData("1.5s", 1_500)>]
[<InlineData("1.001s", 1_001)>]
[<InlineData("0", 0)>]
[<InlineData("576h", 2_073_600_000)>]
let ``reads`` (text: string, milliseconds: int) =
    Assert.Equal(Ok(TimeSpan.FromMilliseconds(int64 milliseconds, 0L)), Duration.parse "--x" text)

[<Theory>]
[<InlineData("")>]
[<InlineData(" ")>]
[<InlineData("5")>]
[<InlineData("s")>]
[<InlineData("-5s")>]
[<InlineData("+5s")>]
[<InlineData("5 s")>]
[<InlineData("5S")>]
[<InlineData("5d")>]
[<InlineData("1,5s")>]
[<InlineData("1.2.3s")>]
[<InlineData(".s")>]
[<InlineData("1e3s")>]
[<InlineData("٥s")>]
[<InlineData("577h")>]
[<InlineData("576h1ms")>]
[<InlineData("99999999999999999999999999999999999999999999999h")>]
let ``refuses`` (text: string) =
    Assert.True((Duration.parse "--x" text).IsError)

[<Fact>]
let ``says what is wrong and what would be right`` () =
    let rendered text =
        match Duration.parse "--health-interval" text with
        | Ok _ -> ""
        | Error fault -> Fault.render fault

    Assert.Equal(
        "--health-interval: 'soon' is not a duration; write a number with its unit: 500ms, 2s, 1m or 1h",
        rendered "soon"
    )

    Assert.Equal("--health-interval: '600h' is too long; 24 days is the longest", rendered "600h")
