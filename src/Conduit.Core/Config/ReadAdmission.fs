namespace Conduit

open FsToolkit.ErrorHandling

/// Reads which requests a pool takes.
[<RequireQualifiedAccess>]
module ReadAdmission =

    /// The networks of a list, as one set.
    let addresses key place : Validation<AddressSet, Fault> =
        Place.items key place
        |> Result.bind (List.traverseValidationA (Place.read AddressSet.parse))
        |> Validation.map AddressSet.union

    let private rateLimit place : Validation<RateLimit option, Fault> = validation {
        let! () = Place.onlyKnown Keys.rateLimit place
        and! on = place |> Place.value "enabled" Scalars.boolean true
        and! rate = place |> Place.optional "rate" Rate.parse
        and! burst = place |> Place.optional "burst" (Scalars.whole 1 1_000_000)
        and! by = place |> Place.value "by" LimitBy.parse LimitBy.Client
        and! exempt = addresses "exempt" place
        and! maxKeys = place |> Place.value "max_keys" (Scalars.whole 1024 16_777_216) 65_536

        return!
            match rate with
            | Some rate when on ->
                Ok(
                    Some {
                        Rate = rate
                        Burst = burst |> Option.defaultValue rate.Tokens
                        By = by
                        Exempt = exempt
                        MaxKeys = maxKeys
                    }
                )
            | None when on -> Error [ Place.fault place "has no rate" "write rate: 10/s" ]
            | _ -> Ok None
    }

    /// What the pool at `place` says of it.
    let read (defaults: AdmissionSettings) place : Validation<AdmissionSettings, Fault> = validation {
        let! allow = addresses "allow" place
        and! deny = addresses "deny" place
        and! limit = place |> Place.section "rate_limit" rateLimit defaults.RateLimit

        and! inFlight =
            place
            |> Place.value "max_in_flight" (Scalars.whole 0 1_000_000) defaults.MaxInFlight

        and! body = place |> Place.value "max_body" Scalars.size defaults.MaxBody

        return {
            Allow = allow
            Deny = deny
            RateLimit = limit
            MaxInFlight = inFlight
            MaxBody = body
        }
    }
