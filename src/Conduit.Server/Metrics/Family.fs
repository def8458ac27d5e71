namespace Conduit.Server

open Conduit

[<RequireQualifiedAccess>]
type FamilyKind =
    /// Only goes up. Its name ends with `_total`.
    | Counter
    | Gauge
    /// Of times in seconds, with these upper bounds.
    | Histogram of bounds: float[]

/// What one series of a family says.
[<RequireQualifiedAccess; NoEquality; NoComparison>]
type Measure =
    | Number of float
    | Times of Distribution

/// A family of metrics: what it is, and how it is read. Labels hold what operators chose and what
/// Conduit knows, never what a client sent.
[<NoEquality; NoComparison>]
type Family = {
    Name: string
    Help: string
    Kind: FamilyKind
    /// Each series with its labels, as it stands.
    Read: unit -> ((string * string) list * Measure) seq
}

[<RequireQualifiedAccess>]
module Family =

    let private create kind name help read = {
        Name = name
        Help = help
        Kind = kind
        Read = read
    }

    let private numbers (read: unit -> ((string * string) list * float) seq) () =
        read () |> Seq.map (fun (labels, value) -> labels, Measure.Number value)

    let counter name help read =
        create FamilyKind.Counter name help (numbers read)

    let gauge name help read =
        create FamilyKind.Gauge name help (numbers read)

    let histogram name help bounds read =
        create (FamilyKind.Histogram bounds) name help (fun () ->
            read () |> Seq.map (fun (labels, times) -> labels, Measure.Times times))

    /// One series without labels.
    let one (value: unit -> float) () = Seq.singleton ([], value ())

    /// 1 for yes, 0 for no.
    let flag value = if value then 1.0 else 0.0
