namespace Conduit

open System

/// The name or address of a host in lower case, without a port and without the dot that may end a name.
/// An IPv6 address stands in brackets, in its short form.
[<Struct>]
type HostName = private HostName of string

[<RequireQualifiedAccess>]
module HostName =

    let value (HostName name) = name

    let private remedy =
        "write a name such as www.example.com, or an address such as 10.0.0.1 or [::1]"

    let private isLabel (label: string) =
        label.Length >= 1
        && label.Length <= 63
        && label[0] <> '-'
        && label[label.Length - 1] <> '-'
        && label |> Seq.forall (fun c -> Char.IsAsciiLetterOrDigit c || c = '-' || c = '_')

    /// Whether the labels end as those of an IPv4 address do, which no name does.
    let private isNumeric (labels: string[]) =
        Seq.forall Char.IsAsciiDigit (Array.last labels)

    let private isIPv4 (labels: string[]) =
        let isByte (label: string) =
            match Byte.TryParse label with
            | true, value -> string value = label
            | _ -> false

        labels.Length = 4 && Array.forall isByte labels

    let private ofIPv6 fault (text: string) =
        match Uri.CheckHostName text, Uri.TryCreate($"http://{text}/", UriKind.Absolute) with
        | UriHostNameType.IPv6, (true, NonNull uri) when not (text.Contains '%') ->
            Ok(HostName(uri.Host.ToLowerInvariant()))
        | _ -> fault "is not an IPv6 address" remedy

    let private ofColons fault (text: string) =
        if Uri.CheckHostName text = UriHostNameType.IPv6 then
            fault "is an IPv6 address without brackets" $"write [{text}]"
        else
            fault "carries a port" "leave the port out: a host stands for all its ports"

    let private ofLabels fault (text: string) =
        let name =
            if text.EndsWith '.' then
                text.Substring(0, text.Length - 1)
            else
                text

        let labels = name.Split '.'

        if not (Seq.forall Char.IsAscii name) then
            fault "has letters beyond ASCII" "write the name as the browser sends it, beginning with xn--"
        elif name.Length > 253 || not (Array.forall isLabel labels) then
            fault "is not a host" remedy
        elif isNumeric labels && not (isIPv4 labels) then
            fault "is not an IPv4 address" remedy
        else
            Ok(HostName(name.ToLowerInvariant()))

    let private read fault (text: string) =
        if text.Contains '/' then
            fault "is more than a host" remedy
        elif text.StartsWith '[' then
            if text.Contains "]:" then
                ofColons fault text
            else
                ofIPv6 fault text
        elif text.Contains ':' then
            ofColons fault text
        else
            ofLabels fault text

    let private fault where (text: string) what remedy =
        Error(Fault.create where $"{Fault.quote text} {what}" remedy)

    let create where (text: string) : Result<HostName, Fault> = read (fault where text) text

    /// The name behind the `*.` that a text begins with. It cannot be an address.
    let internal createSuffix where (text: string) : Result<HostName, Fault> =
        let fault = fault where text

        read fault (text.Substring 2)
        |> Result.bind (fun (HostName name) ->
            if name.StartsWith '[' || isNumeric (name.Split '.') then
                fault "is an address, and nothing stands below one" "put *. before a name only"
            else
                Ok(HostName name))

    /// The host that a request names in `Host` or `:authority`: without the port and the dot that may
    /// end a name. The case stays as it is, for nothing may be copied here.
    let ofAuthority (authority: string) : ReadOnlySpan<char> =
        let whole = authority.AsSpan()

        let host =
            if whole.Length > 0 && whole[0] = '[' then
                whole.Slice(0, whole.IndexOf ']' + 1)
            else
                match whole.IndexOf ':' with
                | -1 -> whole
                | colon -> whole.Slice(0, colon)

        if host.Length > 0 && host[host.Length - 1] = '.' then
            host.Slice(0, host.Length - 1)
        else
            host

/// Which hosts a route is for.
[<RequireQualifiedAccess>]
type HostPattern =
    /// Every host, and a request that names none.
    | Any
    | Exact of HostName
    /// `*.example.com`: every name with one or more labels before `.example.com`, never `example.com`.
    | Wildcard of suffix: HostName

    /// As an operator writes it; `*` for any.
    override this.ToString() =
        match this with
        | HostPattern.Any -> "*"
        | HostPattern.Exact name -> HostName.value name
        | HostPattern.Wildcard suffix -> "*." + HostName.value suffix

[<RequireQualifiedAccess>]
module HostPattern =

    /// Reads `*`, `www.example.com` or `*.example.com`. The name may come in any case and end with a dot.
    let parse where (text: string) : Result<HostPattern, Fault> =
        match text.LastIndexOf '*' with
        | 0 when text = "*" -> Ok HostPattern.Any
        | 0 when text.StartsWith "*." -> HostName.createSuffix where text |> Result.map HostPattern.Wildcard
        | -1 -> HostName.create where text |> Result.map HostPattern.Exact
        | _ ->
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} has a star where none can be"
                    "a star stands alone or for the first labels, as in *.example.com"
            )

    /// Whether a request with this `Host` or `:authority` is for one of the hosts.
    let matches (authority: string) pattern =
        let host = HostName.ofAuthority authority

        match pattern with
        | HostPattern.Any -> true
        | HostPattern.Exact name -> host.Equals(HostName.value name, StringComparison.OrdinalIgnoreCase)
        | HostPattern.Wildcard suffix ->
            let suffix = HostName.value suffix

            host.Length > suffix.Length + 1
            && host[host.Length - suffix.Length - 1] = '.'
            && host.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)
