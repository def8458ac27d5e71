namespace Conduit.Server

open System
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Microsoft.Extensions.Primitives

/// What every request to the admin port goes through before and after its handler.
[<RequireQualifiedAccess>]
module AdminPipeline =

    /// The most bytes a body may have.
    let largestBody = 1024L * 1024L

    let private header (values: StringValues) =
        if values.Count = 0 then None else Some(string values)

    let private canHaveBody (http: HttpContext) =
        match http.Features.Get<IHttpRequestBodyDetectionFeature>() with
        | null -> true
        | feature -> feature.CanHaveBody

    let private facts (http: HttpContext) : RequestFacts =
        let request = http.Request
        let headers = request.Headers

        {
            Method = request.Method
            Path = string request.Path
            Host = string headers.Host
            Origin = header headers.Origin
            FetchSite = header headers["Sec-Fetch-Site"]
            ContentType = header headers.ContentType
            HasBody = canHaveBody http
            Authorization = header headers.Authorization
            Marked = headers.ContainsKey "X-Conduit-Request"
        }

    /// The dashboard's files and its own API are all that a page of this port may use; scripts and
    /// styles are files, and nothing becomes markup that came as text.
    let private contentPolicy =
        String.concat "; " [
            "default-src 'none'"
            "script-src 'self'"
            "style-src 'self'"
            "img-src 'self'"
            "connect-src 'self'"
            "base-uri 'none'"
            "form-action 'none'"
            "frame-ancestors 'none'"
            "require-trusted-types-for 'script'"
            "trusted-types 'none'"
        ]

    /// Answers are for whoever asked, not for caches or for pages elsewhere, and are what they say.
    let private protect (response: HttpResponse) =
        response.Headers.ContentSecurityPolicy <- contentPolicy
        response.Headers["Referrer-Policy"] <- "no-referrer"
        response.Headers["Cross-Origin-Opener-Policy"] <- "same-origin"
        response.Headers.CacheControl <- "no-store"
        response.Headers.XContentTypeOptions <- "nosniff"
        response.Headers["Cross-Origin-Resource-Policy"] <- "same-origin"

    /// Routing's own answers have no body; within the API they get one.
    let private explain (http: HttpContext) : Task =
        let response = http.Response

        if
            response.StatusCode >= 400
            && not response.HasStarted
            && String.IsNullOrEmpty response.ContentType
            && Guard.isApi (string http.Request.Path)
        then
            Problem.send http (Problem.Plain response.StatusCode)
        else
            Task.CompletedTask

    let private fail (log: Log) (http: HttpContext) problem error : Task =
        if problem = Problem.Defect then
            log.HandlerFailed(http.TraceIdentifier, error)

        if http.Response.HasStarted then
            http.Abort()
            Task.CompletedTask
        else
            Problem.send http problem

    let private serve log (next: RequestDelegate) (http: HttpContext) : Task = task {
        try
            do! next.Invoke http
            do! explain http
        with
        | :? BadHttpRequestException as error -> do! fail log http (Problem.Plain error.StatusCode) error
        | :? OperationCanceledException when http.RequestAborted.IsCancellationRequested -> ()
        | error -> do! fail log http Problem.Defect error
    }

    /// 1 headers of every answer  2 the guard  3 the handler  4 what went wrong, as a problem.
    let run (access: AdminAccess) (log: Log) (next: RequestDelegate) (http: HttpContext) : Task =
        protect http.Response

        match Guard.refusal access (facts http) with
        | None -> serve log next http
        | Some refusal ->
            log.AdminRefused(http.Request.Method, string http.Request.Path, string refusal)
            Problem.send http (Problem.Refused refusal)
