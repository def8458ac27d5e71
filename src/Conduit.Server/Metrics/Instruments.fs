namespace Conduit.Server

open System
open System.Collections.Generic
open System.Diagnostics.Metrics

/// The families as instruments of System.Diagnostics.Metrics, for whoever in the process listens to the
/// meter `Conduit`. They are read when somebody asks; while nobody listens they cost nothing. Times are not
/// among them: an instrument that is read has no buckets.
[<Sealed>]
type Instruments(families: Family list) =

    let meter = new Meter("Conduit")

    let read (family: Family) () : Measurement<float> seq =
        family.Read()
        |> Seq.choose (fun (labels, measure) ->
            match measure with
            | Measure.Number value ->
                let tags = labels |> Seq.map (fun (name, value) -> KeyValuePair(name, box value))
                Some(Measurement(value, tags))
            | Measure.Times _ -> None)

    do
        for family in families do
            match family.Kind with
            | FamilyKind.Counter ->
                meter.CreateObservableCounter(
                    family.Name.Substring(0, family.Name.Length - "_total".Length),
                    read family,
                    description = family.Help
                )
                |> ignore
            | FamilyKind.Gauge ->
                meter.CreateObservableGauge(family.Name, read family, description = family.Help)
                |> ignore
            | FamilyKind.Histogram _ -> ()

    interface IDisposable with
        member _.Dispose() = meter.Dispose()
