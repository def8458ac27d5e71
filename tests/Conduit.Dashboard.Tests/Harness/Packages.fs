namespace Conduit.DashboardTests

open System.IO
open Conduit.SystemTests

/// What the tests use of npm's packages, where the build put them, and the files of the repository.
[<RequireQualifiedAccess>]
module Packages =

    /// A path from the repository's root.
    let repository (path: string) = Path.Combine(Programs.root.Value, path)

    let private package (path: string) =
        let found =
            repository (Path.Combine("artifacts", "npm", "Conduit.Dashboard.Tests", "node_modules", path))

        if File.Exists found then
            found
        else
            failwith $"{found} is not there: `dotnet fsi build.fsx -- test-system` installs it"

    /// The script of axe-core, which finds what hinders people.
    let axe = lazy (File.ReadAllText(package "axe-core/axe.min.js"))

    /// TypeScript's compiler, to be run by node.
    let typescript = lazy (package "typescript/bin/tsc")
