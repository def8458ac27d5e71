namespace Conduit.Server.Tests

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text
open System.Threading.Tasks
open Conduit.Server.Sample
open Xunit

/// What the tests of the sample backend share: a way to reach one over real sockets.
module internal SampleBackendClient =

    let settings: BackendSettings = {
        Host = IPAddress.Loopback
        Port = 0
        Name = "b1"
        Delay = TimeSpan.Zero
    }

    /// Far longer than anything here takes; only a test that fails waits for it.
    let patience = TimeSpan.FromSeconds 30.0

    /// Redirects are not followed, and a wait has an end.
    let newClient (backend: RunningBackend) =
        let handler = new SocketsHttpHandler(AllowAutoRedirect = false, UseProxy = false)
        new HttpClient(handler, BaseAddress = Uri backend.Url, Timeout = patience)

    let until what (condition: unit -> bool) = task {
        let watch = Stopwatch.StartNew()

        while not (condition ()) && watch.Elapsed < patience do
            do! Task.Delay 5

        Assert.True(condition (), what)
    }

    let within (work: Task) = work.WaitAsync patience

    let send (client: HttpClient) (method: string) (path: string) (body: string) headers = task {
        use request = new HttpRequestMessage(HttpMethod method, path)
        request.Content <- new StringContent(body)

        for name, value in headers do
            request.Headers.TryAddWithoutValidation(name, (value: string)) |> ignore

        use! answer = client.SendAsync request
        let! text = answer.Content.ReadAsStringAsync()
        return int answer.StatusCode, text
    }

    let get (client: HttpClient) (path: string) = task {
        use! answer = client.GetAsync path
        let! text = answer.Content.ReadAsStringAsync()
        return int answer.StatusCode, text
    }

    /// Sends the bytes as they are and reads until the server closes. Both ways a character is a byte.
    let raw (backend: RunningBackend) (request: string) = task {
        use client = new TcpClient()
        do! client.ConnectAsync(IPAddress.Loopback, backend.Port)
        use stream = client.GetStream()
        do! stream.WriteAsync(ReadOnlyMemory(Encoding.Latin1.GetBytes request))
        use reader = new StreamReader(stream, Encoding.Latin1)
        return! reader.ReadToEndAsync().WaitAsync patience
    }

    let bodyOf (answer: string) =
        answer.Substring(answer.IndexOf "\r\n\r\n" + 4)

    let hello = "Hello from backend! I am running on b1\n"
