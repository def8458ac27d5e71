namespace Conduit

open FsToolkit.ErrorHandling

/// Finds the route of a request. Immutable: a change of the routes makes a new one.
[<Sealed>]
type Router internal (inOrder: Route list) =
    let table = RouteTable inOrder

    member internal _.Table = table
    /// In order of precedence.
    member _.Routes = inOrder

[<RequireQualifiedAccess>]
module Router =

    /// Pairs of neighbours of each group of equals: all but the first, with the one before.
    let private repetitions (key: Route -> 'Key) (routes: (int * Route) list) =
        routes
        |> List.groupBy (snd >> key)
        |> List.collect (fun (_, group) -> List.pairwise group)

    /// A fault for each route that matches just what another does, and for each that bears the name of
    /// another. `where` says where the route of an index is written.
    let conflicts (where: int -> string) (routes: Route list) : Fault list =
        let named (_, route: Route) =
            Fault.quote (RouteName.value route.Name)

        let indexed = List.indexed routes
        let sameMatch = repetitions _.Match indexed

        let sameName =
            // Two routes that match the same and were given no name bear one name; once is enough.
            repetitions _.Name indexed
            |> List.filter (fun ((_, before), (_, after)) -> before.Match <> after.Match)

        [
            for before, after in sameMatch do
                Fault.create
                    (where (fst after))
                    $"the route matches just what the route {named before} at {where (fst before)} does"
                    "remove one of the two, or give one a further condition"
            for before, after in sameName do
                Fault.create
                    (where (fst after))
                    $"the name {named after} is that of the route at {where (fst before)} too"
                    "give each route a name of its own"
        ]

    /// The router of these routes, in whatever order they stand; or every conflict between them.
    let create (where: int -> string) (routes: Route list) : Validation<Router, Fault> =
        match conflicts where routes with
        | [] -> Ok(Router(List.sortWith Precedence.compare routes))
        | faults -> Error faults

    /// The router that finds nothing.
    let empty = Router []

    /// The route that takes a request: the first in order of precedence (see `Precedence`) that matches.
    /// Allocates nothing, and costs no more when there are more routes, unless they differ in nothing
    /// but methods, headers and query: those of one host and path are tried one by one.
    let find (view: 'View :> IRequestView) (router: Router) : Route voption = router.Table.Find view

    /// Why a request takes the route it takes.
    let explain (view: IRequestView) (router: Router) : Explanation = Explanation.create router.Routes view
