namespace Conduit.Server

open System
open System.Threading.Tasks
open Conduit

/// A balancer for scripts. No type of ASP.NET Core is in sight, not even in a private member, so that
/// `dotnet fsi --optimize-` needs no reference to it; with optimization the script would inline some.
[<Sealed>]
type ScriptBalancer private (url: string, adminUrl: string option, stop: unit -> Task<int>) =

    static let overlay (settings: (string * string) list) = [
        for key, text in settings do
            let path = key.Split '.' |> List.ofArray

            if path = [ "backends" ] then
                Overlay.list path key text
            else
                Overlay.value path key text
    ]

    /// The traffic port's URL.
    member _.Url = url

    /// The admin port's URL, if there is one.
    member _.AdminUrl = adminUrl

    /// Drains, and gives the number of requests that were cut off.
    member _.Stop() : Task<int> = stop ()

    /// Starts a balancer by keys of a configuration and their values, as in `"listen.port", "3030"`, and
    /// what is supplied in code. Fails with every fault.
    static member Start(settings: (string * string) list, extensions: Extensions) : Task<ScriptBalancer> =
        task {
            let source = {
                File = None
                Overlay = overlay settings
            }

            match! LoadBalancer.Start(source, extensions = extensions) with
            | Ok balancer -> return ScriptBalancer(balancer.Url, balancer.AdminUrl, balancer.Stop)
            | Error(StartFailure.Port fault) -> return invalidOp (Fault.render fault)
            | Error(StartFailure.Configuration faults) ->
                return invalidOp (faults |> List.map Fault.render |> String.concat Environment.NewLine)
        }
