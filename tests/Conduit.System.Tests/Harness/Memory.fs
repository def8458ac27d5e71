namespace Conduit.SystemTests

open System
open System.Globalization
open System.IO

/// The resident memory of a process, in bytes, from /proc.
[<RequireQualifiedAccess>]
module Memory =

    let private field name (id: int) =
        let line =
            File.ReadLines $"/proc/{id}/status"
            |> Seq.find (fun line -> line.StartsWith(name + ":", StringComparison.Ordinal))

        // `VmRSS:     12345 kB`
        let digits = line |> String.filter Char.IsAsciiDigit
        Int64.Parse(digits, CultureInfo.InvariantCulture) * 1024L

    let resident id = field "VmRSS" id

    /// Forgets the highest value so far.
    let resetPeak (id: int) =
        File.WriteAllText($"/proc/{id}/clear_refs", "5")

    /// The highest value since the process started or `resetPeak`.
    let peak id = field "VmHWM" id
