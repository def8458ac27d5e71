namespace Conduit.SystemTests

open System.IO
open System.Net.Http
open Xunit
open Xunit.Abstractions

/// Clients and keys stay where they are.
[<Collection(SystemCollection.name)>]
type AffinityTests(output: ITestOutputHelper) =

    let ask (client: HttpClient) (url: string) (cookie: string) = task {
        use request = new HttpRequestMessage(HttpMethod.Get, url)

        if cookie <> "" then
            request.Headers.Add("Cookie", cookie)

        use! response = client.SendAsync request
        let! text = response.Content.ReadAsStringAsync()

        let set =
            match response.Headers.TryGetValues "Set-Cookie" with
            | true, NonNull values -> (Seq.head values).Split(';')[0]
            | _ -> ""

        return int response.StatusCode, text.Trim(), set
    }

    let newClient () =
        new HttpClient(new SocketsHttpHandler(UseCookies = false))

    [<Fact>]
    member _.``10,000 requests with one cookie reach one backend; after it is killed they move once and stay``
        ()
        = task {
        use backends = new NginxGroup([ "a"; "b"; "c" ])
        do! backends.Start()
        use directory = new TemporaryDirectory()

        File.WriteAllText(
            directory.File "conduit.yaml",
            "sticky_session: { enabled: true, key: 0123456789abcdef0123456789abcdef }\nbackends: [\"http://127.0.0.1:1\"]\n"
        )

        use conduit =
            new Conduit(output, backends.Urls, [ "--config"; directory.File "conduit.yaml" ])

        do! conduit.Ready()
        use client = newClient ()
        let! _, first, set = ask client (conduit.Url "/") ""
        let mutable cookie = set
        Assert.StartsWith("lb_session=", cookie)

        let run requests = task {
            let names = ResizeArray<string>()
            let mutable bad = 0

            for _ in 1..requests do
                let! status, name, set = ask client (conduit.Url "/") cookie
                names.Add name

                if status <> 200 then
                    bad <- bad + 1

                if set <> "" then
                    cookie <- set

            return Seq.toList names, bad
        }

        let! names, bad = run 10_000
        Assert.Equal(0, bad)
        Assert.Equal<string list>([ first ], List.distinct names)
        (backends.Servers |> List.find (fun server -> server.Name = first)).Kill()
        let! names, bad = run 1_000

        let moves =
            names |> List.pairwise |> List.filter (fun (a, b) -> a <> b) |> List.length

        output.WriteLine
            $"from {first} to %A{List.distinct names}, {moves} moves after the first, {bad} bad answers"

        Assert.Equal(0, bad)
        Assert.Equal(1, (List.distinct names).Length)
        Assert.NotEqual<string>(first, names.Head)
    }

    [<Fact>]
    member _.``two processes with the same backends send each key to the same one``() = task {
        use backends = new NginxGroup([ "a"; "b"; "c"; "d" ])
        do! backends.Start()
        let mutable maps = []

        // In another order: it means nothing.
        for urls in [ backends.Urls; List.rev backends.Urls ] do
            use conduit = new Conduit(output, urls, [ "--strategy"; "hash" ])
            do! conduit.Ready()
            use client = newClient ()
            let names = ResizeArray<string>()

            for key in 1..200 do
                let! _, name, _ = ask client (conduit.Url $"/{key}") ""
                names.Add name

            maps <- Seq.toList names :: maps

        Assert.Equal<string list>(maps[0], maps[1])
        output.WriteLine $"keys by backend: %A{maps.Head |> List.countBy id}"
        Assert.Equal(4, (List.distinct maps.Head).Length)
    }
