namespace Conduit.Server

open System
open System.IO
open System.Reflection
open System.Security.Cryptography
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// A file of the dashboard, as it is served.
type DashboardFile = {
    /// `/` for the page itself, else `/` and the name.
    Path: string
    ContentType: string
    Bytes: byte[]
    Etag: string
}

/// The files of the dashboard. They are in the program: nothing is built for them, and they need no
/// folder beside it.
[<RequireQualifiedAccess>]
module DashboardFiles =

    let private prefix = "dashboard/"

    let private contentType (name: string) =
        match Path.GetExtension name with
        | ".html" -> "text/html; charset=utf-8"
        | ".css" -> "text/css; charset=utf-8"
        | ".js" -> "text/javascript; charset=utf-8"
        | ".svg" -> "image/svg+xml"
        | other -> invalidArg (nameof name) $"no content type for {other}"

    let private read (assembly: Assembly) (resource: string) : DashboardFile =
        let name = resource.Substring prefix.Length

        let bytes =
            match assembly.GetManifestResourceStream resource with
            | null -> failwith $"{resource} is not in the assembly"
            | stream ->
                use stream = stream
                use copy = new MemoryStream()
                stream.CopyTo copy
                copy.ToArray()

        let digest = SHA256.HashData bytes

        {
            Path = if name = "index.html" then "/" else "/" + name
            ContentType = contentType name
            Bytes = bytes
            Etag = $"\"{Convert.ToHexStringLower(digest.AsSpan(0, 8))}\""
        }

    /// All of them.
    let all =
        lazy
            (let assembly = Assembly.GetExecutingAssembly()

             assembly.GetManifestResourceNames()
             |> Seq.filter _.StartsWith(prefix, StringComparison.Ordinal)
             |> Seq.map (read assembly)
             |> Seq.toList)

    /// Serves a file. A browser asks each time whether it has changed: another version of the program
    /// may answer.
    let serve (file: DashboardFile) (http: HttpContext) : Task =
        let response = http.Response
        response.Headers.CacheControl <- "no-cache"
        response.Headers.ETag <- file.Etag

        if string http.Request.Headers.IfNoneMatch = file.Etag then
            response.StatusCode <- 304
            Task.CompletedTask
        else
            response.ContentType <- file.ContentType
            response.ContentLength <- file.Bytes.LongLength

            if http.Request.Method = "HEAD" then
                Task.CompletedTask
            else
                response.Body.WriteAsync(file.Bytes, http.RequestAborted).AsTask()
