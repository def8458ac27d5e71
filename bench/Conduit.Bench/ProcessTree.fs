namespace Conduit.Bench

open System
open System.Globalization
open System.IO

/// What the operating system has booked for a process and all that descend from it.
[<RequireQualifiedAccess>]
module ProcessTree =

    /// The clock ticks in which /proc counts: always 100 to a second (proc(5), sysconf(_SC_CLK_TCK)).
    let private tick = TimeSpan.FromMilliseconds 10.0

    /// The fields of /proc/ID/stat behind the name, which may have blanks and brackets itself.
    let private stat (id: int) =
        let text = File.ReadAllText $"/proc/{id}/stat"
        text.Substring(text.LastIndexOf ')' + 2).Split ' '

    let private children (id: int) = [
        for directory in Directory.EnumerateDirectories "/proc" do
            match Int32.TryParse(Path.GetFileName directory) with
            | true, other ->
                let parent =
                    try
                        int (Array.item 1 (stat other))
                    with :? IOException ->
                        0

                if parent = id then
                    other
            | _ -> ()
    ]

    /// The process and its descendants.
    let rec members (id: int) : int list =
        id :: (children id |> List.collect members)

    /// Processor time in user and system mode so far.
    let cpu (ids: int list) =
        ids
        |> List.sumBy (fun id ->
            let fields = stat id
            int64 fields[11] + int64 fields[12])
        |> fun ticks -> TimeSpan.FromTicks(ticks * tick.Ticks)

    /// The sum of the highest resident memory of each, in bytes.
    let peakMemory (ids: int list) =
        ids
        |> List.sumBy (fun id ->
            let line =
                File.ReadLines $"/proc/{id}/status"
                |> Seq.find (fun line -> line.StartsWith("VmHWM:", StringComparison.Ordinal))

            let digits = line |> String.filter Char.IsAsciiDigit
            Int64.Parse(digits, CultureInfo.InvariantCulture) * 1024L)
