namespace Conduit

open FsToolkit.ErrorHandling

/// What a request must be for a route to take it. All of it must hold.
type RouteMatch = private {
    host: HostPattern
    path: PathPattern
    methods: Method list
    headers: HeaderMatch list
    query: QueryMatch list
} with

    member this.Host = this.host
    member this.Path = this.path
    /// One of these, in the order of the alphabet; empty for every method. `GET` does not stand for
    /// `HEAD`.
    member this.Methods = this.methods
    /// All of these, each of another name, in the order of the names.
    member this.Headers = this.headers
    /// All of these, each of another name, in the order of the names.
    member this.Query = this.query

    /// `api.example.com/v1/* GET,HEAD x-tenant=a ?debug`.
    override this.ToString() =
        String.concat " " [
            $"{this.host}{this.path}"
            if not this.methods.IsEmpty then
                this.methods |> List.map Method.value |> String.concat ","
            yield! this.headers |> List.map string
            yield! this.query |> List.map string
        ]

/// One reason why a route does not take a request.
[<RequireQualifiedAccess>]
type Mismatch =
    | Host of HostPattern
    | Path of PathPattern
    | Method of Method list
    /// What the request has instead: nothing, or another value.
    | Header of HeaderMatch * found: string voption
    | Query of QueryMatch * found: string voption

[<RequireQualifiedAccess>]
module RouteMatch =

    let private repeated where kind (names: string list) =
        names
        |> List.countBy id
        |> List.filter (fun (_, count) -> count > 1)
        |> List.map (fun (name, count) ->
            Fault.create
                where
                $"the {kind} {Fault.quote name} has {count} conditions"
                "give it one: all conditions must hold")

    /// Two lists of the same conditions in another order make equal values.
    let create
        where
        host
        path
        methods
        (headers: HeaderMatch list)
        (query: QueryMatch list)
        : Validation<RouteMatch, Fault> =
        let nameOf (header: HeaderMatch) = HeaderName.value header.Name

        match
            repeated where "header" (List.map nameOf headers)
            @ repeated where "query parameter" (query |> List.map _.Name)
        with
        | [] ->
            Ok {
                host = host
                path = path
                methods = methods |> List.distinct |> List.sort
                headers = List.sort headers
                query = List.sort query
            }
        | faults -> Error faults

    let rec private hasMethod (asked: string) methods =
        match methods with
        | [] -> false
        | method :: rest -> Method.value method = asked || hasMethod asked rest

    let rec private haveHeaders (view: 'View :> IRequestView) conditions =
        match conditions with
        | [] -> true
        | condition :: rest -> HeaderMatch.holds view condition && haveHeaders view rest

    let rec private haveQuery (view: 'View :> IRequestView) conditions =
        match conditions with
        | [] -> true
        | condition :: rest -> QueryMatch.holds view condition && haveQuery view rest

    /// Whether everything but host and path holds. Allocates nothing.
    let conditionsHold (view: 'View :> IRequestView) (wanted: RouteMatch) =
        (wanted.methods.IsEmpty || hasMethod view.Method wanted.methods)
        && haveHeaders view wanted.headers
        && haveQuery view wanted.query

    /// Everything that does not hold; empty when the route takes the request.
    let mismatches (view: IRequestView) (wanted: RouteMatch) : Mismatch list = [
        if not (HostPattern.matches view.Host wanted.host) then
            Mismatch.Host wanted.host
        if not (PathPattern.matches view.Path wanted.path) then
            Mismatch.Path wanted.path
        if not (wanted.methods.IsEmpty || hasMethod view.Method wanted.methods) then
            Mismatch.Method wanted.methods
        for header in wanted.headers do
            if not (HeaderMatch.holds view header) then
                Mismatch.Header(header, view.TryHeader(HeaderName.value header.Name))
        for parameter in wanted.query do
            if not (QueryMatch.holds view parameter) then
                Mismatch.Query(parameter, view.TryQuery parameter.Name)
    ]
