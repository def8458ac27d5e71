module Conduit.Tests.NameTests

open System.Net
open Xunit
open FsCheck
open FsCheck.FSharp
open Conduit

let private spec =
    match BackendSpec.parse "backends" "http://app:8080;resolve=all;weight=3" with
    | Ok spec -> spec
    | Error faults -> failwith $"{faults}"

let private address (text: string) = IPAddress.Parse text

let private addresses =
    Gen.subListOf [ "10.0.0.1"; "10.0.0.2"; "10.0.0.3"; "10.0.0.4"; "::1" ]
    |> Gen.map (Seq.map address >> List.ofSeq)

let private histories = Gen.listOf addresses |> Arb.fromGen

let private evolve = Pool.evolve Instant.zero

let private followed =
    evolve (Pool.create PoolName.defaultPool PoolSettings.defaults) (PoolEvent.NameAdded spec)

let private resolved pool found =
    evolve pool (PoolEvent.Resolved(spec.Id, found))

let private urls (pool: Pool) =
    pool
    |> Pool.backends
    |> Seq.map (fun backend -> string backend.Spec.Url)
    |> Set.ofSeq

[<Fact>]
let ``the backends of a name are its last addresses, each with its port and weight`` () =
    Property.check (
        Prop.forAll histories (fun history ->
            let pool = List.fold resolved followed history
            let last = history |> List.tryLast |> Option.defaultValue []

            urls pool =
                (last
                 |> List.map (fun each -> string (BackendUrl.withAddress each spec.Url))
                 |> Set.ofList)
            && pool
               |> Pool.backends
               |> Array.forall (fun backend ->
                   backend.Spec.Weight = spec.Weight && not backend.Spec.AllAddresses))
    )

[<Fact>]
let ``a backend whose address stays is the very same`` () =
    Property.check (
        Prop.forAll histories (fun history ->
            (followed, history)
            ||> List.scan resolved
            |> List.pairwise
            |> List.forall (fun (before, after) ->
                after.Backends
                |> Map.forall (fun id backend ->
                    match Map.tryFind id before.Backends with
                    | Some earlier -> obj.ReferenceEquals(earlier, backend)
                    | None -> true)))
    )

[<Fact>]
let ``the same addresses in another order change nothing`` () =
    let pool = resolved followed [ address "10.0.0.1"; address "10.0.0.2" ]

    let again =
        resolved pool [ address "10.0.0.2"; address "10.0.0.1"; address "10.0.0.2" ]

    Assert.Same(pool, again)

[<Fact>]
let ``a name that goes takes its backends along, and leaves the others`` () =
    let other = Make.spec "http://10.9.9.9:80"
    let pool = evolve (resolved followed [ address "10.0.0.1" ]) (PoolEvent.Added other)
    let after = evolve pool (PoolEvent.NameRemoved spec.Id)
    Assert.Equal<Set<string>>(Set.singleton "http://10.9.9.9:80", urls after)
    Assert.True(Map.isEmpty after.Names)

[<Fact>]
let ``another weight of a name reaches the backends that it has`` () =
    let pool = resolved followed [ address "10.0.0.1" ]

    let after = evolve pool (PoolEvent.NameAdded { spec with Weight = Make.weight 9 })

    let backend = Assert.Single(Pool.backends after)
    Assert.Equal(9, Weight.value backend.Spec.Weight)

[<Fact>]
let ``another port of a name waits for its addresses`` () =
    let pool = resolved followed [ address "10.0.0.1" ]

    let after =
        evolve
            pool
            (PoolEvent.NameAdded {
                spec with
                    Url = Make.url "http://app:9090"
            })

    Assert.Empty(Pool.backends after)

    Assert.Equal<Set<string>>(
        Set.singleton "http://10.0.0.1:9090",
        urls (resolved after [ address "10.0.0.1" ])
    )

[<Theory>]
[<InlineData("https://app:8443;resolve=all", "certificates are checked against names")>]
[<InlineData("http://app:80;resolve=first", "'first' is no way to resolve")>]
let ``what cannot be resolved so is refused`` (text: string, what: string) =
    match BackendSpec.parse "backends" text with
    | Ok spec -> failwith $"{spec}"
    | Error faults -> Assert.Contains(what, (List.exactlyOne faults).What)

[<Theory>]
[<InlineData("http://10.0.0.1:80;resolve=all")>]
[<InlineData("http://[::1]:80;resolve=all")>]
[<InlineData("http://localhost:80;resolve=all")>]
[<InlineData("http://app:80;resolve=connect")>]
[<InlineData("http://app:80")>]
let ``what has no name, or is left to each connection, is one backend`` (text: string) =
    match BackendSpec.parse "backends" text with
    | Ok spec -> Assert.False spec.AllAddresses
    | Error faults -> failwith $"{faults}"
