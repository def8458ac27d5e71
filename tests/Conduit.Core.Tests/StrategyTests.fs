module Conduit.Tests.StrategyTests

open Xunit
open Conduit

[<Fact>]
let ``every strategy reads back from its name, in any case and with spaces around it`` () =
    Property.check (fun (strategy: Strategy) ->
        let name = Strategy.name strategy

        List.contains strategy Strategy.all
        && Strategy.parse "--strategy" name = Ok strategy
        && Strategy.parse "--strategy" $"  {name.ToUpperInvariant()} " = Ok strategy)

[<Fact>]
let ``no two strategies share a name`` () =
    Assert.Equal(8, Strategy.all |> List.distinctBy Strategy.name |> List.length)

[<Fact>]
let ``any other text is a fault with its place and every name`` () =
    Property.check (fun (text: string) ->
        match Strategy.parse "--strategy" text with
        | Ok _ -> false
        | Error fault ->
            let names = Strategy.all |> List.map Strategy.name |> String.concat ", "
            fault.Where = "--strategy" && fault.Remedy = $"use one of {names}")

[<Theory>]
[<InlineData("p2c", "power-of-two-choices")>]
[<InlineData("least-connection", "least-connections")>]
let ``an alias stands for the strategy`` (alias: string, name: string) =
    Assert.Equal(Ok name, Strategy.parse "--strategy" alias |> Result.map Strategy.name)

[<Theory>]
[<InlineData("round-robbin", "round-robin")>]
[<InlineData("least-conections", "least-connections")>]
[<InlineData("wieghted-round-robin", "weighted-round-robin")>]
[<InlineData("Randon", "random")>]
[<InlineData("peak_ewma", "peak-ewma")>]
[<InlineData("iphash", "ip-hash")>]
let ``a slip gets the nearest name`` (typed: string, meant: string) =
    match Strategy.parse "--strategy" typed with
    | Ok strategy -> failwith $"read as {strategy}"
    | Error fault -> Assert.Equal($"'{typed}' is not a strategy (did you mean {meant}?)", fault.What)
