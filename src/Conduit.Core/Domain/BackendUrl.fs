namespace Conduit

open System
open System.Net

[<RequireQualifiedAccess>]
type Scheme =
    | Http
    | Https

/// Where a backend listens, and the path that every request to it is put under.
type BackendUrl = private {
    scheme: Scheme
    host: string
    port: int
    basePath: string
    text: string
    plain: string
} with

    member this.Scheme = this.scheme
    /// A name or an address in lower case; an IPv6 address stands in brackets.
    member this.Host = this.host
    /// 1 to 65535.
    member this.Port = this.port
    /// Empty, or begins with a slash and does not end with one.
    member this.BasePath = this.basePath
    /// `host:port`.
    member this.Authority = $"{this.host}:{string this.port}"

    /// `http://host:port/base`, whatever the scheme.
    member this.Plain = this.plain

    /// The URL in its one normal form, without a slash at the end.
    override this.ToString() = this.text

[<RequireQualifiedAccess>]
module BackendUrl =

    let private remedy =
        "write http://host:port or https://host:port, with a path if needed"

    /// The text as a fault shows it: what stands before an `@` may be a password.
    let private withoutUser (text: string) =
        match text.LastIndexOf '@' with
        | -1 -> text
        | at -> "***" + text.Substring at

    let private ofUri fault (uri: Uri) =
        let scheme =
            match uri.Scheme with
            | "http" -> Some Scheme.Http
            | "https" -> Some Scheme.Https
            | _ -> None

        match scheme with
        | None -> fault $"has the scheme '{uri.Scheme}', which is neither http nor https"
        | _ when uri.UserInfo <> "" -> fault "carries a user name or a password"
        | _ when uri.Query <> "" || uri.Fragment <> "" -> fault "carries a query or a fragment"
        | _ when uri.Host = "" -> fault "has no host"
        | _ when uri.DnsSafeHost.Contains '%' -> fault "carries the zone of an address"
        | _ when uri.Port < 1 || uri.Port > 65535 -> fault "has a port outside 1 to 65535"
        | Some scheme ->
            let host, basePath = uri.Host.ToLowerInvariant(), uri.AbsolutePath.TrimEnd '/'
            // Joined and not formatted: large files have tens of thousands of URLs.
            let rest = String.Concat(host, ":", string uri.Port, basePath)
            let plain = "http://" + rest

            Ok {
                scheme = scheme
                host = host
                port = uri.Port
                basePath = basePath
                text = if scheme = Scheme.Http then plain else "https://" + rest
                plain = plain
            }

    /// The same with an address in the place of the host.
    let withAddress (address: IPAddress) (url: BackendUrl) : BackendUrl =
        let host =
            match string address with
            | six when six.Contains ':' -> $"[{six}]"
            | four -> four

        let scheme =
            match url.scheme with
            | Scheme.Http -> "http"
            | Scheme.Https -> "https"

        {
            url with
                host = host
                text = $"{scheme}://{host}:{string url.port}{url.basePath}"
                plain = $"http://{host}:{string url.port}{url.basePath}"
        }

    /// Whether the host is a name that a name server may know: neither an address nor `localhost`.
    let isNamed (url: BackendUrl) =
        url.host <> "localhost"
        && not (IPAddress.TryParse(url.host.Trim('[', ']')) |> fst)

    /// Reads a backend's URL: http or https, a host, a port if it is not the scheme's own, and a base
    /// path. Anything else a URL may carry is refused rather than dropped.
    let parse where (text: string) : Result<BackendUrl, Fault> =
        let fault what =
            Error(Fault.create where $"{Fault.quote (withoutUser text)} {what}" remedy)

        if not (text.Contains "://") then
            fault "is not a URL"
        else
            match Uri.TryCreate(text, UriKind.Absolute) with
            | true, NonNull uri -> ofUri fault uri
            | _ -> fault "is not a URL"
