namespace Conduit.SystemTests

open Xunit

/// Made once before the first test: a run that lacks a program fails, and says what to install.
[<Sealed>]
type RequiredPrograms() =
    do Programs.missing () |> Option.iter failwith

[<RequireQualifiedAccess>]
module SystemCollection =

    /// All tests of the project are in this collection: they measure, so they run one after the other.
    [<Literal>]
    let name = "system"

[<CollectionDefinition(SystemCollection.name, DisableParallelization = true)>]
type SystemCollectionDefinition() =
    interface ICollectionFixture<RequiredPrograms>
