namespace Conduit

/// Where a configuration says which ports to take, for faults that only taking them shows. What it does not
/// say is named by the flag or key that would.
type PortPlaces = {
    Traffic: string
    /// The port that sends to https.
    Redirect: string
    /// The UDP port of HTTP/3.
    Http3: string
    Admin: string
}

[<RequireQualifiedAccess>]
module PortPlaces =

    let unsaid = {
        Traffic = "--port"
        Redirect = "listen.tls.redirect_port"
        Http3 = "listen.tls.http3_port"
        Admin = "--admin-port"
    }

    /// The places in a document.
    let find (document: Node) : PortPlaces =
        let tryFind path =
            (Some(Place.root document), path)
            ||> List.fold (fun place key -> place |> Option.bind (Place.tryFind key))

        /// The first of these paths that is there.
        let first paths fallback =
            paths
            |> List.tryPick tryFind
            |> Option.map Place.where
            |> Option.defaultValue fallback

        let ofTls key unsaid =
            first [ [ "listen"; "tls"; key ]; [ "server"; "tls"; key ] ] unsaid

        {
            Traffic =
                first
                    [
                        [ "listen"; "port" ]
                        [ "server"; "port" ]
                        [ "lb_port" ]
                        [ "listen" ]
                        [ "server" ]
                    ]
                    unsaid.Traffic
            Redirect = ofTls "redirect_port" unsaid.Redirect
            Http3 = ofTls "http3_port" unsaid.Http3
            Admin = first [ [ "admin"; "port" ]; [ "admin" ] ] unsaid.Admin
        }
