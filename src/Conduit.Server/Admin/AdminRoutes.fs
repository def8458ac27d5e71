namespace Conduit.Server

open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// One way into the admin port.
[<NoEquality; NoComparison>]
type AdminRoute = {
    Methods: string list
    /// As ASP.NET Core's routing reads it.
    Pattern: string
    Handle: HttpContext -> Task
}

/// Everything that the admin port answers. `openapi.json` describes what programs use; a test compares them.
[<RequireQualifiedAccess>]
module AdminRoutes =

    let private route method pattern handle = {
        Methods = [ method ]
        Pattern = pattern
        Handle = handle
    }

    let private api method pattern answer =
        route method ("/api/v1" + pattern) (Reply.handler answer)

    /// What is open to everybody who reaches the port.
    let health (ports: ControlPorts) = [
        route "GET" "/livez" HealthEndpoints.livez
        route "GET" "/readyz" (HealthEndpoints.readyz ports.Lifetime)
        route "GET" "/healthz" (HealthEndpoints.healthz ports.Agent ports.Lifetime)
        route "GET" "/stats" ports.Stats
        route "GET" "/metrics" ports.Metrics
    ]

    /// The dashboard, which is for people and not part of what `openapi.json` describes.
    let page = [
        for file in DashboardFiles.all.Value ->
            {
                Methods = [ "GET"; "HEAD" ]
                Pattern = file.Path
                Handle = DashboardFiles.serve file
            }
    ]

    /// What programs use: all but the dashboard's page. Streams end when `stopping` is cancelled.
    let all (ports: ControlPorts) (stopping: CancellationToken) =
        let live =
            LiveBroadcast(LiveStream.settings, ports.Clock, fun () -> Views.live ports)

        health ports
        @ [
            api "GET" "/overview" (ApiOverview.overview ports)
            api "GET" "/overview/history" (ApiOverview.history ports)
            api "GET" "/overview/trends" (ApiOverview.trends ports)
            api "GET" "/pools" (ApiBackends.pools ports)
            api "GET" "/pools/{pool}" (ApiBackends.pool ports)
            api "GET" "/pools/{pool}/backends" (ApiBackends.list ports)
            api "POST" "/pools/{pool}/backends" (ApiBackends.add ports)
            api "GET" "/pools/{pool}/backends/{id}" (ApiBackends.backend ports)
            api "GET" "/pools/{pool}/backends/{id}/history" (ApiBackends.history ports)
            api "PATCH" "/pools/{pool}/backends/{id}" (ApiBackends.change ports)
            api "DELETE" "/pools/{pool}/backends/{id}" (ApiBackends.remove ports)
            api "GET" "/reload" (ApiConfig.preview ports)
            api "POST" "/reload" (ApiConfig.reload ports)
            api "GET" "/config" (ApiConfig.config ports)
            api "GET" "/config/diff" (ApiConfig.differences ports)
            api "GET" "/events/history" (ApiOverview.events ports)
            route "GET" "/api/v1/events" (EventStream.serve ports EventStream.settings stopping)
            route "GET" "/api/v1/live" (LiveStream.serve live stopping)
            route "GET" "/api/v1/openapi.json" ApiConfig.openApi
            route "GET" "/api/status" (DashboardProtocol.status ports)
            {
                Methods = [ "POST"; "GET"; "PUT"; "PATCH"; "DELETE" ]
                Pattern = "/api/toggle-backend"
                Handle = DashboardProtocol.toggle ports
            }
        ]
