namespace Conduit.DashboardTests

open System
open Xunit
open Conduit.SystemTests

/// The types that the modules' comments name hold.
module TypeTests =

    [<Fact>]
    let ``TypeScript finds nothing wrong with the modules`` () = task {
        let! ended =
            Child.Run(
                Programs.path Programs.node,
                [
                    Packages.typescript.Value
                    "--project"
                    Packages.repository "src/Conduit.Server/Dashboard"
                ],
                [],
                TimeSpan.FromMinutes 2.0
            )

        Assert.Equal<string list>([], ended.Output @ ended.Errors)
        Assert.Equal(0, ended.ExitCode)
    }
