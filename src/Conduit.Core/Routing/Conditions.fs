namespace Conduit

open System

/// A condition on a header of the request.
type HeaderMatch = private {
    header: HeaderName
    value: HeaderValue option
} with

    /// In lower case.
    member this.Name = this.header
    /// The whole value it must have, in just this case; None when any will do.
    member this.Value = this.value

    /// `x-version=2`, or `x-version` when any value will do.
    override this.ToString() =
        match this.value with
        | Some value -> $"{HeaderName.value this.header}={HeaderValue.value value}"
        | None -> HeaderName.value this.header

[<RequireQualifiedAccess>]
module HeaderMatch =

    let create name value = {
        header = HeaderName.toLower name
        value = value
    }

    let holds (view: 'View :> IRequestView) (condition: HeaderMatch) =
        match view.TryHeader(HeaderName.value condition.header) with
        | ValueNone -> false
        | ValueSome found ->
            match condition.value with
            | None -> true
            | Some wanted -> HeaderValue.value wanted = found

/// A condition on a parameter of the query.
type QueryMatch = private {
    parameter: string
    wanted: string option
} with

    /// Decoded, and case-sensitive.
    member this.Name = this.parameter
    /// The decoded value it must have; None when any will do.
    member this.Value = this.wanted

    /// `?page=2`, or `?page` when any value will do.
    override this.ToString() =
        match this.wanted with
        | Some value -> $"?{this.parameter}={value}"
        | None -> $"?{this.parameter}"

[<RequireQualifiedAccess>]
module QueryMatch =

    /// The name and the value as they are once decoded: `a b`, not `a%20b`.
    let create where (name: string) (value: string option) : Result<QueryMatch, Fault> =
        let hasControls = Seq.exists Char.IsControl

        if name = "" then
            Error(Fault.create where "a condition on the query names no parameter" "write the name of one")
        elif hasControls name || Option.exists hasControls value then
            Error(
                Fault.create
                    where
                    $"the condition on {Fault.quote name} has a control character"
                    "write its name and value on one line, without tabs"
            )
        else
            Ok { parameter = name; wanted = value }

    let holds (view: 'View :> IRequestView) (condition: QueryMatch) =
        match view.TryQuery condition.parameter with
        | ValueNone -> false
        | ValueSome found ->
            match condition.wanted with
            | None -> true
            | Some wanted -> wanted = found
