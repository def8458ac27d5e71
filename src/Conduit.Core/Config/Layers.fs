namespace Conduit

/// What goes over a configuration's document, piece by piece: what the environment says, then flags.
[<RequireQualifiedAccess>]
module Layers =

    /// Pieces describe the pool `default`, wherever the document has it.
    let private atDefaultPool (path: string list) (document: Node) =
        let root = Place.root document

        let isNamed =
            (Place.tryFind "pools" root).IsSome
            && not (Keys.pool |> List.exists (fun key -> (Place.tryFind key root).IsSome))

        match path with
        | key :: _ when isNamed && List.contains key Keys.pool ->
            "pools" :: PoolName.value PoolName.defaultPool :: path
        | _ -> path

    /// `listen: 127.0.0.1:3332` as a section, so that a piece can change the port and leave the host.
    let private spread (document: Node) =
        match Place.root document |> Place.tryFind "listen" with
        | None -> document
        | Some place ->
            match Place.read Scalars.listen place with
            | Error _ -> document
            | Ok(host, port) ->
                let origin = place.Node.Origin

                let entry key text = {
                    Key = key
                    KeyOrigin = origin
                    Node = Node.scalar origin text
                }

                let section =
                    Node.mapping origin [
                        match host with
                        | Some host -> entry "host" (string host)
                        | None -> ()
                        entry "port" (string port)
                    ]

                Node.put [ "listen" ] section document

    /// The document with each piece put at its path, the strongest last.
    let over (document: Node) (pieces: (string list * Node) list) =
        (document, pieces)
        ||> List.fold (fun document (path, piece) ->
            let document =
                if List.head path = "listen" then
                    spread document
                else
                    document

            Node.put (atDefaultPool path document) piece document)
