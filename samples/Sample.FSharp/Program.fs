// An application with an endpoint of its own; all other requests are balanced:
//
//     dotnet run --project samples/Sample.FSharp -- --urls http://127.0.0.1:5000 --backends http://localhost:8081,http://localhost:8082
module Sample.FSharp.Program

open System
open System.Net.Http
open Microsoft.AspNetCore.Builder
open Conduit
open Conduit.AspNetCore
open Conduit.Server

/// The backend that has had the fewest requests so far.
let private fewestRequests = {
    new IStrategy with
        member _.Name = "fewest-requests"

        member _.Choose(candidates, _, _) =
            candidates |> Seq.indexed |> Seq.minBy (fun (_, each) -> each.Requests) |> fst
}

/// Well is a backend whose /healthz says "alive".
let private saysAlive =
    let client = new HttpClient()

    {
        new IBackendCheck with
            member _.Name = "says-alive"

            member _.Check(url, cancellation) = task {
                let! text = client.GetStringAsync(Uri(url, "/healthz"), cancellation)

                let failure: string | null =
                    if text.Contains "alive" then
                        null
                    else
                        "it does not say that it is alive"

                return failure
            }
    }

/// Tells what happens to backends.
let private observer = {
    new IBackendObserver with
        member _.Happened event =
            let backend = event.Backend |> Option.defaultValue ""
            Console.WriteLine $"observed: {event.Type} {backend}"
}

[<EntryPoint>]
let main args =
    let builder = WebApplication.CreateBuilder args

    let backends =
        match builder.Configuration["backends"] with
        | null -> "http://localhost:8081"
        | given -> given

    builder.Services.AddConduit(fun options ->
        options.Backends.AddRange(backends.Split ',')
        options.Settings["health_check.interval"] <- "500ms"
        options.UseStrategy fewestRequests
        options.UseCheck saysAlive
        options.Observe observer)
    |> ignore

    let app = builder.Build()

    app.MapGet("/hello", Func<string>(fun () -> "Hello from the application"))
    |> ignore

    app.MapConduit() |> ignore
    app.Run()
    0
