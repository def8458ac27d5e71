namespace Conduit.Server

open Conduit

/// `conduit check`: a configuration without a program.
[<RequireQualifiedAccess>]
module Check =

    let private explain config request =
        match Explain.lines config request with
        | Error faults -> Complaint.settings faults
        | Ok lines ->
            List.iter (printfn "%s") lines
            0

    /// The configuration, with the files that it names looked at too.
    let private load source =
        ConfigSource.load source
        |> Result.bind (fun loaded ->
            Entry.read (System.TimeProvider.System.GetUtcNow()) loaded.Config
            |> Result.map (fun _ -> loaded))

    /// Prints every fault and gives 1; or `ok`, the effective configuration, or the way of a request,
    /// and gives 0.
    let run (source: ConfigSource) print (request: string option) =
        match load source, request with
        | Error faults, _ -> Complaint.settings faults
        | Ok loaded, Some request -> explain loaded.Config request
        | Ok loaded, None ->
            if print then
                printf "%s" (ConfigText.yaml (Render.node loaded.Config))
            else
                printfn "ok"

            0
