namespace Conduit

open FsToolkit.ErrorHandling

/// Keys whose feature is not there yet: validated like any other, so that a file that is right
/// today is right when the feature comes, and told of, so that nothing is ignored in silence.
[<RequireQualifiedAccess>]
module Pending =

    let private some reader : ReadText<unit> =
        fun where text -> reader where text |> Result.map ignore

    let private duration: ReadText<unit> = some Duration.parse

    /// Checks the single values of a section.
    let private check (values: (string * ReadText<unit>) list) place : Validation<unit, Fault> =
        values
        |> List.traverseValidationA (fun (key, reader) -> Place.value key reader () place)
        |> Validation.map ignore

    let private notYet place what = [
        Fault.create
            (Place.where place)
            $"{what} is not there yet"
            "it has no effect: remove the section until then"
    ]

    /// What the section `retry` of a pool says besides the number of retries.
    let backOff pool : Validation<Fault list, Fault> =
        let values = [
            "initial_interval", duration
            "max_interval", duration
            "multiplier", some (Scalars.number 1.0 100.0)
            "randomization", some (Scalars.number 0.0 1.0)
        ]

        pool
        |> Place.section
            "retry"
            (fun retry -> validation {
                let! () = Place.onlyKnown Keys.retry retry
                and! () = check values retry

                return
                    values
                    |> List.choose (fun (key, _) -> Place.tryFind key retry)
                    |> List.collect (fun found -> notYet found "back-off between retries")
            })
            []
