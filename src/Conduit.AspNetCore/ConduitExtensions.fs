namespace Conduit.AspNetCore

open System
open System.Runtime.CompilerServices
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Routing
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Hosting
open Microsoft.Extensions.Logging

/// Conduit in an ASP.NET Core application.
[<Extension; Sealed; AbstractClass>]
type ConduitExtensions =

    /// Adds the balancer. It starts and ends with the application; a configuration with a fault ends the
    /// start with every fault in the message.
    [<Extension>]
    static member AddConduit
        (services: IServiceCollection, configure: Action<ConduitOptions>)
        : IServiceCollection =
        let options = ConduitOptions()
        configure.Invoke options

        services
            .AddSingleton<ConduitService>(fun provider ->
                ConduitService(options, provider.GetRequiredService<ILoggerFactory>()))
            .AddHostedService(fun provider -> provider.GetRequiredService<ConduitService>())

    /// Balances the requests to a pattern of the application's routing. Their targets reach the backends
    /// byte for byte.
    [<Extension>]
    static member MapConduit(endpoints: IEndpointRouteBuilder, pattern: string) : IEndpointConventionBuilder =
        let service = endpoints.ServiceProvider.GetRequiredService<ConduitService>()
        endpoints.Map(pattern, RequestDelegate service.Serve)

    /// Balances every request that no other endpoint of the application takes.
    [<Extension>]
    static member MapConduit(endpoints: IEndpointRouteBuilder) : IEndpointConventionBuilder =
        let service = endpoints.ServiceProvider.GetRequiredService<ConduitService>()
        endpoints.MapFallback("{**path}", RequestDelegate service.Serve)
