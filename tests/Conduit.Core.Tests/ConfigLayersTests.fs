module Conduit.Tests.ConfigLayersTests

open System.Net
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private value = ConfigDocuments.value

let private variable path text =
    path, Node.scalar (Origin.Given "VARIABLE") text

let private flag path text =
    path, Node.scalar (Origin.Given "--flag") text

let private backendsFlag =
    [ "backends" ],
    {
        Origin = Origin.Given "--backends"
        Value = NodeValue.Sequence [ Node.scalar (Origin.Given "--backends") "http://10.9.9.9:9" ]
    }

let private over document pieces =
    Layers.over (ConfigDocuments.node document) pieces
    |> ReadConfig.read ConfigDocuments.noSecrets

let private config document pieces =
    match over document pieces with
    | Ok config -> config
    | Error faults -> failwith (faults |> List.map Fault.render |> String.concat "\n")

let private file =
    Doc.Section [ "listen", Doc.Section [ "port", value "1000" ]; ConfigDocuments.backends ]

[<Fact>]
let ``flags go over the environment, that over the file, and that over the defaults`` () =
    let port = [ "listen"; "port" ]
    let read document pieces = (config document pieces).Listen.Port

    Assert.Equal(3030, read (Doc.Section [ ConfigDocuments.backends ]) [])
    Assert.Equal(1000, read file [])
    Assert.Equal(2000, read file [ variable port "2000" ])
    Assert.Equal(3000, read file [ variable port "2000"; flag port "3000" ])

[<Fact>]
let ``a port goes over the file's, and the file's host stays, in every shape`` () =
    for key, listen in
        [
            "listen", Doc.Section [ "host", value "127.0.0.1"; "port", value "1000" ]
            "server", Doc.Section [ "host", value "127.0.0.1"; "port", value "1000" ]
            "listen", value "127.0.0.1:1000"
            "server", value "127.0.0.1:1000"
            "lb_port", value "127.0.0.1:1000"
        ] do
        let document = Doc.Section [ key, listen; ConfigDocuments.backends ]

        Assert.Equal(
            IPEndPoint(IPAddress.Loopback, 2000),
            (config document [ flag [ "listen"; "port" ] "2000" ]).Listen
        )

        Assert.Equal(
            IPEndPoint(IPAddress.IPv6Any, 1000),
            (config document [ flag [ "listen"; "host" ] "::" ]).Listen
        )

[<Fact>]
let ``a strategy goes over the file's, under either of its names`` () =
    for key in [ "strategy"; "algorithm" ] do
        let document = Doc.Section [ key, value "random"; ConfigDocuments.backends ]
        let pools = (config document [ flag [ "strategy" ] "p2c" ]).Pools
        Assert.Equal(Strategy.PowerOfTwoChoices, pools.Head.Settings.Strategy)

[<Fact>]
let ``flags describe the pool default where the file names its pools`` () =
    let pool = Doc.Section [ ConfigDocuments.backends ]
    let document = Doc.Section [ "pools", Doc.Section [ "web", pool; "default", pool ] ]

    let config =
        config document [ backendsFlag; flag [ "timeouts"; "idle" ] "7s"; flag [ "strategy" ] "random" ]

    let texts name =
        match Config.pool (Make.poolName name) config with
        | Some pool -> pool.Backends |> List.map (_.Url >> string)
        | None -> []

    Assert.Equal(2, config.Pools.Length)
    Assert.Equal<string list>([ "http://10.9.9.9:9" ], texts "default")
    Assert.Equal<string list>([ "http://10.0.0.1:8081" ], texts "web")

[<Fact>]
let ``backends of a flag are a pool default beside the file's`` () =
    let document =
        Doc.Section [ "pools", Doc.Section [ "web", Doc.Section [ ConfigDocuments.backends ] ] ]

    Assert.Equal<string list>(
        [ "web"; "default" ],
        (config document [ backendsFlag ]).Pools |> List.map (_.Name >> PoolName.value)
    )

[<Fact>]
let ``a flag hides no fault of the file`` () =
    let wrong (document: Doc) path =
        match over document [ flag path "5" ] with
        | Ok _ -> failwith "was accepted"
        | Error faults -> (List.exactlyOne faults).Where

    Assert.Equal(
        "conduit.yaml:1:8: retry",
        wrong (Doc.Section [ "retry", value "3"; ConfigDocuments.backends ]) [ "retry"; "max_retries" ]
    )

    Assert.Equal(
        "conduit.yaml:1:9: listen",
        wrong (Doc.Section [ "listen", value "x:y"; ConfigDocuments.backends ]) [ "listen"; "port" ]
    )

    let twice = Doc.Section [ "port", value "1000"; "port", value "1000" ]

    Assert.Equal(
        "conduit.yaml:3:3: listen.port",
        wrong (Doc.Section [ "listen", twice; ConfigDocuments.backends ]) [ "listen"; "port" ]
    )

[<Fact>]
let ``what is put at a path is found there, and everything else is where it was`` () =
    let path =
        Gen.elements [ "a"; "b"; "c" ]
        |> Gen.nonEmptyListOf
        |> Gen.map (List.truncate 3)

    let rec find (path: string list) (place: Place option) =
        match path with
        | [] -> place
        | key :: rest -> place |> Option.bind (Place.tryFind key) |> find rest

    let at path node =
        find path (Some(Place.root node)) |> Option.map _.Node

    let isPrefix (short: string list) (long: string list) = List.truncate short.Length long = short

    Property.check (
        Prop.forAll
            (Arb.fromGen (Gen.zip (Gen.listOf path) (Gen.zip path path)))
            (fun (paths, (last, other)) ->
                let piece text = Node.scalar (Origin.Given "--x") text

                let sections =
                    (Node.mapping (Origin.Given "--x") [], paths)
                    ||> List.fold (fun node path ->
                        Node.put path (Node.mapping (Origin.Given "--x") []) node)

                let after = Node.put last (piece "new") sections

                at last after = Some(piece "new")
                && (isPrefix last other || isPrefix other last || at other after = at other sections)
                && Node.put last (piece "newer") after = Node.put last (piece "newer") sections)
    )
