namespace Conduit.Server.Tests

open System.Threading.Tasks

/// What a backend does with a connection; when it ends, the connection is closed.
type Script = BackendConnection -> Task

/// Common scripts of backends.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Script =

    /// A 200 with this body.
    let ok (body: string) =
        $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}"

    /// Answers each request with what `answer` makes of it.
    let answering (answer: Message -> string) : Script =
        fun connection -> task {
            let mutable going = true

            while going do
                match! connection.ReadRequest() with
                | None -> going <- false
                | Some request -> do! connection.Send(answer request)
        }

    /// Answers each request with these bytes.
    let always (response: string) : Script = answering (fun _ -> response)

    /// Reads one request and goes on as `act` says; the connection is closed after it.
    let once (act: BackendConnection -> Message -> Task) : Script =
        fun connection -> task {
            match! connection.ReadRequest() with
            | None -> ()
            | Some request -> do! act connection request
        }

    /// Answers one request with these bytes and closes.
    let closing (response: string) : Script =
        once (fun connection _ -> connection.Send response)

    /// Reads a request and breaks the connection off.
    let resetting: Script =
        once (fun connection _ ->
            connection.Reset()
            Task.CompletedTask)

    /// Reads a request and never answers, until the balancer leaves.
    let silent: Script = once (fun connection _ -> connection.Left())

    /// Each connection follows the next script, the last one goes on for all further ones.
    let inTurn (scripts: Script list) : Script =
        fun connection -> scripts[min connection.Number (scripts.Length - 1)] connection
