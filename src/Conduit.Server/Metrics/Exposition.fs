namespace Conduit.Server

open System
open System.Globalization
open System.Text
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// The two text formats in which Prometheus reads metrics.
[<RequireQualifiedAccess>]
type ExpositionFormat =
    /// Version 0.0.4.
    | Text
    /// OpenMetrics 1.0.
    | OpenMetrics

[<RequireQualifiedAccess>]
module Exposition =

    let private escape (text: string) =
        text.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\"", "\\\"")

    /// Whole numbers of bounds are `1.0`, as OpenMetrics wants them; in both formats, so that series do
    /// not depend on it.
    let private bound (value: float) =
        if value = Math.Floor value then
            value.ToString("F1", CultureInfo.InvariantCulture)
        else
            value.ToString("R", CultureInfo.InvariantCulture)

    let private labels (labels: (string * string) list) =
        labels
        |> List.map (fun (name, value) -> $"{name}=\"{escape value}\"")
        |> String.concat ","

    let private line (text: StringBuilder) (name: string) (labels: string) (value: float) =
        text.Append name |> ignore

        if labels <> "" then
            text.Append('{').Append(labels).Append('}') |> ignore

        text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n')
        |> ignore

    let private histogram text name (bounds: float[]) labels (times: Conduit.Distribution) =
        let with' (le: string) =
            if labels = "" then
                $"le=\"{le}\""
            else
                $"{labels},le=\"{le}\""

        let mutable sum = 0L

        for index in 0 .. bounds.Length - 1 do
            sum <- sum + times.Counts[index]
            line text $"{name}_bucket" (with' (bound bounds[index])) (float sum)

        let total = float (sum + times.Counts[bounds.Length])
        line text $"{name}_bucket" (with' "+Inf") total
        line text $"{name}_sum" labels times.Sum.TotalSeconds
        line text $"{name}_count" labels total

    /// One family, with all its series.
    let render format (family: Family) =
        let text = StringBuilder()

        let kind, named =
            match family.Kind, format with
            | FamilyKind.Counter, ExpositionFormat.OpenMetrics ->
                "counter", family.Name.Substring(0, family.Name.Length - "_total".Length)
            | FamilyKind.Counter, ExpositionFormat.Text -> "counter", family.Name
            | FamilyKind.Gauge, _ -> "gauge", family.Name
            | FamilyKind.Histogram _, _ -> "histogram", family.Name

        text.Append("# HELP ").Append(named).Append(' ').Append(escape family.Help).Append('\n')
        |> ignore

        text.Append("# TYPE ").Append(named).Append(' ').Append(kind).Append('\n')
        |> ignore

        for series, measure in family.Read() do
            match measure, family.Kind with
            | Measure.Times times, FamilyKind.Histogram bounds ->
                histogram text family.Name bounds (labels series) times
            | Measure.Number value, _ -> line text family.Name (labels series) value
            | Measure.Times _, _ -> ()

        string text

    let private wanted (request: HttpRequest) =
        if
            (string request.Headers.Accept).Contains("application/openmetrics-text", StringComparison.Ordinal)
        then
            ExpositionFormat.OpenMetrics
        else
            ExpositionFormat.Text

    /// The handler of `/metrics`: OpenMetrics for those that ask for it.
    let handle (families: Family list) (http: HttpContext) : Task = task {
        let format = wanted http.Request

        http.Response.ContentType <-
            match format with
            | ExpositionFormat.Text -> "text/plain; version=0.0.4; charset=utf-8"
            | ExpositionFormat.OpenMetrics -> "application/openmetrics-text; version=1.0.0; charset=utf-8"

        for family in families do
            do! http.Response.WriteAsync(render format family, http.RequestAborted)

        if format = ExpositionFormat.OpenMetrics then
            do! http.Response.WriteAsync("# EOF\n", http.RequestAborted)
    }
