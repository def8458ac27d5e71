namespace Conduit.Server

open System
open System.Text.Json
open System.Threading.Tasks
open FsToolkit.ErrorHandling
open Microsoft.AspNetCore.Http
open Conduit

/// What the admin API answers when it does what it is asked.
[<NoEquality; NoComparison>]
type Reply = {
    Status: int
    /// Nothing for an answer without a body.
    Body: obj option
    Etag: string option
    Location: string option
}

[<RequireQualifiedAccess>]
module Reply =

    let ok (body: 'a when 'a: not null) = {
        Status = 200
        Body = Some(body :> obj)
        Etag = None
        Location = None
    }

    let empty = {
        Status = 204
        Body = None
        Etag = None
        Location = None
    }

    let private write (http: HttpContext) reply : Task =
        let response = http.Response
        response.StatusCode <- reply.Status
        reply.Etag |> Option.iter (fun tag -> response.Headers.ETag <- tag)
        reply.Location |> Option.iter (fun path -> response.Headers.Location <- path)

        match reply.Body with
        | None -> Task.CompletedTask
        | Some body ->
            response.ContentType <- "application/json"

            JsonSerializer.SerializeAsync(
                response.Body,
                body,
                body.GetType(),
                Wire.options,
                http.RequestAborted
            )

    /// The handler that answers with what `answer` gives, or with its problem.
    let handler (answer: HttpContext -> Task<Result<Reply, Problem>>) (http: HttpContext) : Task = task {
        match! answer http with
        | Ok reply -> do! write http reply
        | Error problem -> do! Problem.send http problem
    }

/// The parts of a request's path, exact to the byte: routing decodes all but `%2F`, and the id of a
/// backend may have a slash in it.
[<RequireQualifiedAccess>]
module RawPath =

    /// The decoded segment that is so many from the end; 0 is the last.
    let fromEnd index (rawTarget: string) =
        let path =
            if rawTarget.StartsWith '/' then
                rawTarget.Split('?', 2)[0]
            else
                Uri(rawTarget).AbsolutePath

        let segments = path.TrimEnd('/').Split '/'
        Uri.UnescapeDataString segments[segments.Length - 1 - index]

/// The parameters of a request.
[<RequireQualifiedAccess>]
module RequestQuery =

    /// A number of the query, or why it cannot be.
    let number (http: HttpContext) (name: string) least most fallback : Validation<int, Fault> =
        let values = http.Request.Query[name]

        match values.Count, Int32.TryParse(string values) with
        | 0, _ -> Ok fallback
        | 1, (true, value) when value >= least && value <= most -> Ok value
        | _ ->
            Error [
                Fault.create
                    name
                    $"{Fault.quote (string values)} is not a whole number from {least} to {most}"
                    $"use {least} to {most}"
            ]
