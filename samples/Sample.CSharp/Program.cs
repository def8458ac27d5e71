// An application with an endpoint of its own; all other requests are balanced:
//
//     dotnet run --project samples/Sample.CSharp -- --urls http://127.0.0.1:5000 --backends http://localhost:8081,http://localhost:8082
using Conduit;
using Conduit.AspNetCore;
using Conduit.Server;

var builder = WebApplication.CreateBuilder(args);

builder.Services.AddConduit(options =>
{
    options.Backends.AddRange((builder.Configuration["backends"] ?? "http://localhost:8081").Split(','));
    options.Settings["health_check.interval"] = "500ms";
    options.UseStrategy(new FewestRequests());
    options.UseCheck(new TextCheck());
    options.Observe(new ConsoleObserver());
});

var app = builder.Build();
app.MapGet("/hello", () => "Hello from the application");
app.MapConduit();
app.Run();

/// <summary>The backend that has had the fewest requests so far.</summary>
internal sealed class FewestRequests : IStrategy
{
    public string Name => "fewest-requests";

    public int Choose(IReadOnlyList<ICandidate> candidates, ulong turn, ulong chance)
    {
        var best = 0;
        for (var index = 1; index < candidates.Count; index++)
        {
            if (candidates[index].Requests < candidates[best].Requests)
            {
                best = index;
            }
        }

        return best;
    }
}

/// <summary>Well is a backend whose /healthz says "alive".</summary>
internal sealed class TextCheck : IBackendCheck
{
    private readonly HttpClient client = new();

    public string Name => "says-alive";

    public async Task<string?> Check(Uri url, CancellationToken cancellation)
    {
        var text = await client.GetStringAsync(new Uri(url, "/healthz"), cancellation);
        return text.Contains("alive") ? null : "it does not say that it is alive";
    }
}

/// <summary>Tells what happens to backends.</summary>
internal sealed class ConsoleObserver : IBackendObserver
{
    public void Happened(Wire.Event happening) =>
        Console.WriteLine($"observed: {happening.Type} {happening.Backend?.Value}");
}
