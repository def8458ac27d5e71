namespace Conduit

open System
open FsToolkit.ErrorHandling

/// Reads `routes`: which requests go to which pool, and what is changed on the way.
[<RequireQualifiedAccess>]
module ReadRoutes =

    /// `/a` is that path alone, `/a/*` that path and all below it, `/*` every path.
    let private path: ReadText<PathPattern> =
        fun where text ->
            if text.EndsWith "/*" then
                PathPattern.prefix
                    where
                    (if text = "/*" then
                         "/"
                     else
                         text.Substring(0, text.Length - 2))
            else
                PathPattern.exact where text

    /// Conditions by name: a value, or `*` when any value will do.
    let private conditions key (make: string -> string -> string option -> Result<'a, Fault>) place =
        place
        |> Place.section
            key
            (fun section ->
                Place.children section
                |> Result.bind (
                    List.traverseValidationA (fun (name, found) ->
                        Place.text found
                        |> Result.bind (fun text ->
                            make (Place.where found) name (if text = "*" then None else Some text))
                        |> Result.mapError List.singleton)
                ))
            []

    let private header where name value = result {
        let! name = HeaderName.create where name

        match value with
        | None -> return HeaderMatch.create name None
        | Some text ->
            let! value = HeaderValue.create where text
            return HeaderMatch.create name (Some value)
    }

    let private texts key (reader: ReadText<'a>) place : Validation<'a list, Fault> =
        Place.items key place
        |> Result.bind (List.traverseValidationA (Place.read reader))

    let private setting (name, found: Place) = result {
        let where = Place.where found
        let! text = Place.text found
        let! name = HeaderName.create where name
        let! value = HeaderValue.create where text
        return! HeaderEdit.set where name value
    }

    let private removal: ReadText<HeaderEdit> =
        fun where text -> HeaderName.create where text |> Result.bind (HeaderEdit.remove where)

    /// `set:` names with values, and `remove:` a list of names.
    let private edits (section: Place) : Validation<HeaderEdits, Fault> = validation {
        let! () = Place.onlyKnown Keys.headerEdits section

        and! set =
            section
            |> Place.section
                "set"
                (Place.children
                 >> Result.bind (List.traverseValidationA (setting >> Result.mapError List.singleton)))
                []

        and! removed = texts "remove" removal section
        let! edits = HeaderEdits.create (Place.where section) (set @ removed)
        return edits
    }

    let private timeouts (section: Place) : Validation<RouteTimeouts, Fault> =
        let duration = Duration.parseAtLeast (TimeSpan.FromMilliseconds 1.0)

        validation {
            let! () = Place.onlyKnown Keys.routeTimeouts section
            and! response = section |> Place.optional "response" duration
            and! idle = section |> Place.optional "idle" duration
            and! request = section |> Place.optional "request" duration

            return {
                Response = response
                Idle = idle
                Request = request
            }
        }

    let private pool (known: PoolName list) place : Validation<PoolName, Fault> =
        match Place.tryFind "pool" place with
        | None -> Error [ Place.fault place "the route names no pool" "write pool: NAME" ]
        | Some found ->
            Place.read PoolName.create found
            |> Result.bind (fun name ->
                if List.contains name known then
                    Ok name
                else
                    let names = known |> List.map PoolName.value
                    let text = PoolName.value name
                    let all = String.concat ", " names

                    Error [
                        Place.fault
                            found
                            $"there is no pool {Fault.quote text}{Names.hint names text}"
                            $"the pools are {all}"
                    ])

    let private route known (place: Place) : Validation<Route, Fault> = validation {
        let! () = Place.onlyKnown Keys.route place
        and! name = place |> Place.optional "name" RouteName.create
        and! host = place |> Place.value "host" HostPattern.parse HostPattern.Any
        and! path = place |> Place.value "path" path PathPattern.Any
        and! methods = texts "methods" Method.parse place
        and! headers = conditions "headers" header place
        and! query = conditions "query" QueryMatch.create place
        and! pool = pool known place
        and! strip = place |> Place.optional "strip_prefix" PathPrefix.parse
        and! add = place |> Place.optional "add_prefix" PathPrefix.parse
        and! onRequest = place |> Place.section "request_headers" edits HeaderEdits.none
        and! onResponse = place |> Place.section "response_headers" edits HeaderEdits.none
        and! own = place |> Place.section "timeouts" timeouts RouteTimeouts.none
        let! wanted = RouteMatch.create (Place.where place) host path methods headers query

        let! rewrite =
            Rewrite.create (Place.where place) path strip add
            |> Result.mapError List.singleton

        let plain = Route.create wanted pool

        return {
            plain with
                Name = name |> Option.defaultValue plain.Name
                Rewrite = rewrite
                RequestHeaders = onRequest
                ResponseHeaders = onResponse
                Timeouts = own
        }
    }

    /// The routes, whose pools must be among those known.
    let read (known: PoolName list) (root: Place) : Validation<Route list, Fault> =
        Place.items "routes" root
        |> Result.bind (fun places ->
            places
            |> List.traverseValidationA (route known)
            |> Result.bind (fun routes ->
                match Router.conflicts (fun index -> Place.where places[index]) routes with
                | [] -> Ok routes
                | faults -> Error faults))
