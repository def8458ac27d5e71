namespace Conduit

open System
open System.Globalization

/// Durations as operators write them: `500ms`, `2s`, `1m`, `1h`, and sums such as `1m30s`.
[<RequireQualifiedAccess>]
module Duration =

    let private units = [ "ms", 1.0; "s", 1000.0; "m", 60_000.0; "h", 3_600_000.0 ]

    let private remedy = "write a number with its unit: 500ms, 2s, 1m or 1h"

    /// The longest duration that is accepted; what is longer is a slip, and timers could not hold it.
    let longest = TimeSpan.FromHours 24.0 * 24.0

    let rec private parts (text: string) (milliseconds: float) =
        if text.Length = 0 then
            Some milliseconds
        else
            let number =
                text |> Seq.takeWhile (fun c -> Char.IsAsciiDigit c || c = '.') |> Seq.length

            let rest = text.Substring number
            let unit = rest |> Seq.takeWhile Char.IsAsciiLetter |> Seq.toArray |> String

            match
                Double.TryParse(
                    text.AsSpan(0, number),
                    NumberStyles.AllowDecimalPoint,
                    CultureInfo.InvariantCulture
                ),
                List.tryFind (fun (name, _) -> name = unit) units
            with
            | (true, value), Some(_, scale) ->
                parts (rest.Substring unit.Length) (milliseconds + value * scale)
            | _ -> None

    /// Reads a duration. `0` needs no unit; a sign is refused.
    let parse where (text: string) : Result<TimeSpan, Fault> =
        match text.Trim() with
        | "" -> Error(Fault.create where "the duration is empty" remedy)
        | "0" -> Ok TimeSpan.Zero
        | trimmed ->
            match parts trimmed 0.0 with
            | Some milliseconds when milliseconds <= longest.TotalMilliseconds ->
                // Rounded, not cut: 1.001 s is a little less than 1001 ms in binary.
                Ok(TimeSpan.FromTicks(int64 (Math.Round(milliseconds * float TimeSpan.TicksPerMillisecond))))
            | Some _ -> Error(Fault.create where $"{Fault.quote text} is too long" "24 days is the longest")
            | None -> Error(Fault.create where $"{Fault.quote text} is not a duration" remedy)

    /// Reads a duration that must be at least `least`.
    let parseAtLeast (least: TimeSpan) where text =
        parse where text
        |> Result.bind (fun value ->
            if value < least then
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is too short"
                        $"{least.TotalMilliseconds}ms is the shortest"
                )
            else
                Ok value)

    /// In the largest unit that needs no fraction. Reads back as the same duration.
    let format (value: TimeSpan) =
        let milliseconds = value.TotalMilliseconds

        let unit, scale =
            units
            |> List.rev
            |> List.tryFind (fun (_, scale) -> milliseconds >= scale && milliseconds % scale = 0.0)
            |> Option.defaultValue ("ms", 1.0)

        (milliseconds / scale).ToString CultureInfo.InvariantCulture + unit
