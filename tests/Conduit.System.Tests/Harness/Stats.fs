namespace Conduit.SystemTests

open System.Net.Http
open System.Text.Json

/// What `/stats` says about a backend.
type BackendStats = {
    Url: string
    Alive: bool
    Connections: int
}

[<RequireQualifiedAccess>]
module Stats =

    let private client = new HttpClient()

    /// The status of a path of the admin port, or nothing if it cannot be reached.
    let tryStatus (adminPort: int) (path: string) = task {
        try
            use! response = client.GetAsync $"http://127.0.0.1:{adminPort}{path}"
            return Some(int response.StatusCode)
        with :? HttpRequestException ->
            return None
    }

    /// All backends, as the admin port shows them.
    let read (adminPort: int) = task {
        let! text = client.GetStringAsync $"http://127.0.0.1:{adminPort}/stats"
        use json = JsonDocument.Parse text

        return [
            for backend in json.RootElement.EnumerateArray() ->
                {
                    Url = backend.GetProperty("url").GetString() |> string
                    Alive = backend.GetProperty("alive").GetBoolean()
                    Connections = backend.GetProperty("conn_count").GetInt32()
                }
        ]
    }
