namespace Conduit.SystemTests

open Xunit
open Xunit.Abstractions

/// 50,000 requests over 64 connections to three nginx servers, counted by the servers' own logs.
[<Collection(SystemCollection.name)>]
type BalancingTests(output: ITestOutputHelper) =

    let target = "/load"
    let requests = 50_000
    let connections = 64

    /// Runs the load; the servers' counts, in the order of the weights.
    let counts (strategy: string) (weights: int list) = task {
        use backends =
            new NginxGroup(weights |> List.mapi (fun index _ -> $"nginx-{index + 1}"))

        do! backends.Start()

        let configured =
            List.zip backends.Servers weights
            |> List.map (fun (server, weight) -> $"{server.Url};weight={weight}")

        use conduit = new Conduit(output, configured, [ "--strategy"; strategy ])
        do! conduit.Ready()
        let! result = Load.heyRequests requests connections (conduit.Url target)
        let counts = backends.Servers |> List.map (fun server -> server.Count target)
        output.WriteLine $"{strategy}, weights %A{weights}: {result}; by backend %A{counts}"

        Assert.True(result.Answers >= requests, $"{result}")
        Assert.Equal(0, result.Failures)
        // The generator and the servers agree: nothing was sent twice, and nothing was made up.
        Assert.Equal(result.Answers, List.sum counts)
        return counts
    }

    /// The largest distance of a count from its exact share, as a part of that share.
    let deviation (weights: int list) (counts: int list) =
        let total = float (List.sum counts)
        let whole = float (List.sum weights)

        List.zip counts weights
        |> List.map (fun (count, weight) ->
            let share = total * float weight / whole
            abs (float count - share) / share)
        |> List.max

    [<Fact>]
    member _.``round robin gives three servers the same number of requests within 1 percent, without an error``
        ()
        = task {
        let! counts = counts "round-robin" [ 1; 1; 1 ]
        let apart = float (List.max counts - List.min counts) / float (List.max counts)
        output.WriteLine $"largest and smallest count differ by {100.0 * apart:F3} %%"
        Assert.True(apart <= 0.01, $"counts %A{counts}")
    }

    [<Fact>]
    member _.``weights 1 2 3 give shares of 1 2 3 within 1 percent, without an error``() = task {
        let weights = [ 1; 2; 3 ]
        let! counts = counts "weighted-round-robin" weights
        let apart = deviation weights counts
        output.WriteLine $"largest deviation from the exact share {100.0 * apart:F3} %%"
        Assert.True(apart <= 0.01, $"counts %A{counts}")
    }

    [<Theory>]
    [<InlineData "least-connections">]
    [<InlineData "random">]
    [<InlineData "power-of-two-choices">]
    member _.``every other strategy uses all three servers, without an error``(strategy: string) = task {
        let! counts = counts strategy [ 1; 1; 1 ]
        Assert.DoesNotContain(0, counts)
    }
