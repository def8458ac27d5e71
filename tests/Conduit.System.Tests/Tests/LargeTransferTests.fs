namespace Conduit.SystemTests

open System
open System.IO
open System.Security.Cryptography
open Xunit
open Xunit.Abstractions

/// One GiB each way through the balancer: whole, and never held in memory.
[<Collection(SystemCollection.name)>]
type LargeTransferTests(output: ITestOutputHelper) =

    let mebibyte = 1024L * 1024L
    let size = 1024L * mebibyte
    let limit = 64L * mebibyte

    let deadline = TimeSpan.FromMinutes 3.0

    /// Fills a file with bytes that neither repeat nor compress.
    let fill (path: string) =
        use file = File.Create path
        let chunk: byte[] = Array.zeroCreate (int mebibyte)

        for _ in 1L .. size / mebibyte do
            Random.Shared.NextBytes chunk
            file.Write chunk

    let sha256 (path: string) =
        use file = File.OpenRead path
        Assert.Equal(size, file.Length)
        Convert.ToHexString(SHA256.HashData file)

    /// Runs the transfer with curl; by how much the balancer's memory was higher at its highest.
    let growth (conduit: Conduit) (what: string) (arguments: string list) = task {
        let before = Memory.resident conduit.Id
        Memory.resetPeak conduit.Id

        let! curl =
            Child.Run(
                Programs.path Programs.curl,
                [ "--silent"; "--show-error"; "--fail" ]
                @ arguments
                @ [ "--write-out"; "%{http_code} in %{time_total} s\n" ],
                [],
                deadline
            )

        let peak = Memory.peak conduit.Id
        let report = String.concat " " (curl.Output @ curl.Errors)

        output.WriteLine(
            $"1 GiB {what}: {report}; memory {before / mebibyte} MiB before, "
            + $"{peak / mebibyte} MiB at its highest"
        )

        Assert.True((curl.ExitCode = 0), report)
        return peak - before
    }

    [<Fact>]
    member _.``1 GiB down and 1 GiB up arrive whole, and memory grows by less than 64 MiB``() = task {
        use backend = new Nginx "nginx-1"
        do! backend.Start()
        use conduit = new Conduit(output, [ backend.Url ], [])
        do! conduit.Ready()

        use workspace = new TemporaryDirectory()
        let original = Path.Combine(backend.Files, "large.bin")
        let downloaded = workspace.File "large.bin"
        fill original
        let checksum = sha256 original

        let! down =
            growth conduit "down" [ "--output"; downloaded; conduit.Url "/files/large.bin" ]

        Assert.Equal(checksum, sha256 downloaded)

        let! up =
            growth conduit "up" [ "--upload-file"; original; conduit.Url "/upload/large.bin" ]

        Assert.Equal(checksum, sha256 (Path.Combine(backend.Uploads, "large.bin")))

        Assert.True(down < limit, $"grew by {down / mebibyte} MiB")
        Assert.True(up < limit, $"grew by {up / mebibyte} MiB")
    }
