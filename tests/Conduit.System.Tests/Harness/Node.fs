namespace Conduit.SystemTests

open System
open System.IO

/// The scripts in the directory Scripts, run by node with npm's packages, which the build put into place.
[<RequireQualifiedAccess>]
module Node =

    let private modules =
        lazy
            (let path =
                Path.Combine(Programs.root.Value, "artifacts", "npm", "Conduit.System.Tests", "node_modules")

             if Directory.Exists path then
                 path
             else
                 failwith $"{path} is not there: `dotnet fsi build.fsx -- test-system` installs it")

    let private script name =
        Path.Combine(Programs.root.Value, "tests", "Conduit.System.Tests", "Scripts", name)

    let private environment () = [ "NODE_PATH", Some modules.Value ]

    /// Starts one that goes on until it is disposed.
    let start (name: string) (arguments: string list) =
        Child.Start(Programs.path Programs.node, script name :: arguments, environment ())

    /// The lines that a script writes, which must end without a failure within the deadline.
    let run (name: string) (arguments: string list) (deadline: TimeSpan) = task {
        let! ended =
            Child.Run(Programs.path Programs.node, script name :: arguments, environment (), deadline)

        if ended.ExitCode <> 0 then
            let report = String.concat "\n" (ended.Output @ ended.Errors)
            failwith $"{name} ended with exit code {ended.ExitCode}:\n{report}"

        return ended.Output
    }
