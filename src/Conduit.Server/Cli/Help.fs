namespace Conduit.Server

open System.Reflection

/// Texts of the command line.
[<RequireQualifiedAccess>]
module Help =

    /// The program's version, as the build set it.
    let version =
        match Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>() with
        | null -> "unknown"
        | attribute -> attribute.InformationalVersion.Split('+')[0]

    let examples =
        """
EXAMPLES:

    Balance two servers, on port 3030:
        conduit --backends "http://localhost:8081,http://localhost:8082"

    Give one of them three times the traffic, and check health by HTTP:
        conduit --backends "http://localhost:8081;weight=3,http://localhost:8082" \
                --strategy weighted-round-robin --health-path /healthz

    Steer a balancer that runs (conduit ctl --help tells more):
        conduit ctl status
        conduit ctl drain localhost:8081 --wait

    See it work, with nothing else at hand:
        conduit demo
"""
