namespace Conduit.Server.Tests

open System.Text
open System.Text.RegularExpressions
open Xunit
open Conduit.Server

/// The files of the dashboard, as they are served.
module AdminPageTests =

    let private files = DashboardFiles.all.Value

    let private textOf (file: DashboardFile) = Encoding.UTF8.GetString file.Bytes

    let private page = files |> List.find (fun file -> file.Path = "/") |> textOf

    let private found (pattern: string) text = [
        for found in Regex.Matches(text, pattern) -> found.Groups[1].Value
    ]

    [<Fact>]
    let ``every file is served as what it is, to who has no token too`` () =
        AdminPorts.runClosed [] (fun port -> task {
            for file in files do
                let! answer = port.Get file.Path
                Assert.Equal(200, answer.Status)
                Assert.Equal(textOf file, answer.Text)
                Assert.Equal(file.ContentType, answer.ContentType)
                Assert.Equal("nosniff", answer.Header "X-Content-Type-Options")
                Assert.Equal("no-cache", answer.Header "Cache-Control")
        })

    [<Fact>]
    let ``the policy lets the page run its own files and nothing else, and be in no frame`` () =
        AdminPorts.run [] (fun port -> task {
            let! answer = port.Get "/"
            let policy = (answer.Header "Content-Security-Policy").Split "; "
            Assert.Contains("default-src 'none'", policy)
            Assert.Contains("script-src 'self'", policy)
            Assert.Contains("style-src 'self'", policy)
            Assert.Contains("connect-src 'self'", policy)
            Assert.Contains("frame-ancestors 'none'", policy)
            Assert.Contains("require-trusted-types-for 'script'", policy)
            Assert.DoesNotContain(policy, fun part -> part.Contains "unsafe" || part.Contains '*')
        })

    [<Fact>]
    let ``a browser that has a file is not sent it again`` () =
        AdminPorts.run [] (fun port -> task {
            let! first = port.Get "/styles.css"
            let! second = port.Send "GET" "/styles.css" [ "If-None-Match", first.Etag ] None
            Assert.Equal(304, second.Status)
            Assert.Equal("", second.Text)
            let! head = port.Send "HEAD" "/styles.css" [] None
            Assert.Equal(200, head.Status)
            Assert.Equal(first.Etag, head.Etag)
        })

    [<Fact>]
    let ``files are for reading`` () =
        AdminPorts.run [] (fun port -> task {
            let! answer = port.Write "POST" "/" [] "{}"
            Assert.Equal(405, answer.Status)
            let! answer = port.Get "/none.js"
            Assert.Equal(404, answer.Status)
        })

    [<Fact>]
    let ``all that the files name is there, and nothing is from elsewhere`` () =
        let paths = files |> List.map _.Path |> set

        for reference in found "(?:href|src)=\"(/[^\"]*)\"" page do
            Assert.Contains(reference, paths)

        for file in files do
            let text = textOf file

            for reference in found "(?m)^import .* from '\\.(/[^']*)'" text do
                Assert.Contains(reference, paths)

            let addresses = found "(https?://[^'\"\\s]*)" text |> List.distinct
            // A name, which nobody fetches, and what a field shows as an example.
            let known = [ "http://www.w3.org/2000/svg"; "http://10.0.0.9:8081" ]
            Assert.Equal<string list>([], addresses |> List.except known)

    [<Fact>]
    let ``all modules are asked for at once`` () =
        let preloaded = found "rel=\"modulepreload\" href=\"([^\"]*)\"" page

        let modules =
            files
            |> List.map _.Path
            |> List.filter (fun path -> path.EndsWith ".js" && path <> "/main.js")

        Assert.Equal<string list>(List.sort modules, List.sort preloaded)

    [<Fact>]
    let ``no code and no style stands in the page`` () =
        Assert.Equal<string list>([ "" ], found "<script[^>]*>([^<]*)" page)
        Assert.Empty(found "(<style|style=|\\son[a-z]+=)" page)

        for file in files |> List.filter _.Path.EndsWith(".js") do
            Assert.Empty(
                found "(innerHTML|outerHTML|insertAdjacentHTML|document.write|\\beval\\b)" (textOf file)
            )

    [<Fact>]
    let ``the files are less than 100 KB together`` () =
        Assert.InRange(files |> List.sumBy _.Bytes.Length, 20_000, 100_000)
