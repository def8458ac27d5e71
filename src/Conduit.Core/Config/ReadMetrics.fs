namespace Conduit

open FsToolkit.ErrorHandling

/// Reads what an operator wants to see of the traffic.
[<RequireQualifiedAccess>]
module ReadMetrics =

    /// The path of the traffic port that answers with metrics; none unless the section is there.
    let private prometheus (place: Place) : Validation<string option, Fault> =
        place
        |> Place.section
            "prometheus"
            (fun section -> validation {
                let! () = Place.onlyKnown Keys.prometheus section
                and! on = section |> Place.value "enabled" Scalars.boolean true
                and! path = section |> Place.value "path" Scalars.path Config.defaultMetricsPath
                return if on then Some path else None
            })
            None

    /// The section `metrics`.
    let read (root: Place) : Validation<MetricsConfig, Fault> =
        root
        |> Place.section
            "metrics"
            (fun section -> validation {
                let! () = Place.onlyKnown Keys.metrics section
                and! enabled = section |> Place.value "enabled" Scalars.boolean true
                and! path = prometheus section
                return { Enabled = enabled; Path = path }
            })
            { Enabled = true; Path = None }
