namespace Conduit.Server.Sample

open System
open System.Globalization
open System.Text
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// Whole answers, with their length. For HEAD the server itself leaves the body out.
[<RequireQualifiedAccess>]
module internal BackendReply =

    let bytes (status: int) (contentType: string) (body: ReadOnlyMemory<byte>) (ctx: HttpContext) : Task =
        ctx.Response.StatusCode <- status
        ctx.Response.ContentType <- contentType
        ctx.Response.ContentLength <- int64 body.Length
        ctx.Response.Body.WriteAsync(body, ctx.RequestAborted).AsTask()

    let text status (body: string) ctx =
        bytes status "text/plain; charset=utf-8" (ReadOnlyMemory(Encoding.UTF8.GetBytes body)) ctx

    let json (body: string) ctx =
        bytes 200 "application/json" (ReadOnlyMemory(Encoding.UTF8.GetBytes body)) ctx

    /// Reads the whole number `name` from the query and answers with `handler`, or with 400 when it is
    /// not within `least` and `most`, or is missing and has no `fallback`.
    let withNumber name (least: int64, most: int64) (fallback: int64 voption) (handler: int64 -> Task) ctx =
        let given = (ctx: HttpContext).Request.Query[name]

        match
            given.Count,
            fallback,
            Int64.TryParse(given.ToString(), NumberStyles.None, CultureInfo.InvariantCulture)
        with
        | 0, ValueSome value, _ -> handler value
        | 1, _, (true, value) when value >= least && value <= most -> handler value
        | _ -> text 400 $"{name} must be a whole number from {least} to {most}\n" ctx
