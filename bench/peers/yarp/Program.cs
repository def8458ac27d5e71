// yarp PORT BACKENDPORT,... [PFXFILE]: YARP as its documentation sets it up, least requests, no logging.
using System.Security.Cryptography.X509Certificates;
using Yarp.ReverseProxy.Configuration;

var builder = WebApplication.CreateBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(int.Parse(args[0]), listen =>
{
    if (args.Length > 2)
    {
        listen.UseHttps(X509CertificateLoader.LoadPkcs12FromFile(args[2], null));
    }
}));

var destinations = args[1].Split(',').ToDictionary(
    port => port,
    port => new DestinationConfig { Address = $"http://127.0.0.1:{port}" });

builder.Services.AddReverseProxy().LoadFromMemory(
    [new RouteConfig { RouteId = "all", ClusterId = "all", Match = new RouteMatch { Path = "{**rest}" } }],
    [new ClusterConfig { ClusterId = "all", LoadBalancingPolicy = "LeastRequests", Destinations = destinations }]);

var app = builder.Build();
app.MapReverseProxy();
app.Run();
