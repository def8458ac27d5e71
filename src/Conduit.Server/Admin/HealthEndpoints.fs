namespace Conduit.Server

open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// What orchestrators ask. Open to everybody who reaches the admin port.
[<RequireQualifiedAccess>]
module HealthEndpoints =

    let private text (status: int) (words: string) (http: HttpContext) : Task =
        http.Response.StatusCode <- status
        http.Response.ContentType <- "text/plain; charset=utf-8"
        http.Response.WriteAsync(words + "\n")

    /// Whether the process lives.
    let livez http = text 200 "alive" http

    /// Whether it takes new traffic.
    let readyz (lifetime: Lifetime) http =
        if lifetime.IsDraining then
            text 503 "draining" http
        else
            text 200 "ready" http

    /// Ready, and how many backends can take requests: by pool, and whether that is all of them.
    let healthz (agent: Agent) (lifetime: Lifetime) (http: HttpContext) : Task =
        let pools =
            agent.Current.Pools
            |> Array.map (fun pool -> {|
                name = PoolName.value pool.Source.Name
                available = pool.Available.Length
                backends = pool.Targets.Length
            |})

        let status =
            if lifetime.IsDraining then
                "draining"
            elif pools |> Array.exists (fun pool -> pool.available = 0) then
                "down"
            elif pools |> Array.exists (fun pool -> pool.available < pool.backends) then
                "degraded"
            else
                "ok"

        http.Response.StatusCode <- if status = "ok" || status = "degraded" then 200 else 503
        http.Response.WriteAsJsonAsync {| status = status; pools = pools |}
