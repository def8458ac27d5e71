namespace Conduit.Server

open System
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open DnsClient
open Conduit

/// What a name stands for at the moment.
type NameAnswer = {
    Addresses: IPAddress list
    /// How long that may be taken for true; nothing where the answer does not say.
    GoodFor: TimeSpan option
}

/// Asks what addresses a name has; the error says why it cannot be said.
type NameLookup = string -> CancellationToken -> Task<Result<NameAnswer, string>>

[<RequireQualifiedAccess>]
module NameLookup =

    /// The system's resolver, with its hosts file and search domains. It does not say for how long an
    /// answer is good.
    let system: NameLookup =
        fun name cancellation -> task {
            try
                let! addresses = Dns.GetHostAddressesAsync(name, cancellation)

                return
                    Ok {
                        Addresses = List.ofArray addresses
                        GoodFor = None
                    }
            with :? SocketException as error ->
                return Error(string error.SocketErrorCode)
        }

    let private addresses (response: IDnsQueryResponse) = [
        for record in response.Answers do
            match record with
            | :? DnsClient.Protocol.AddressRecord as found ->
                found.Address, TimeSpan.FromSeconds(float found.TimeToLive)
            | _ -> ()
    ]

    /// These servers, asked in turn until one answers. Only whole names: they know of no search domain.
    let servers (settings: ResolverSettings) : NameLookup =
        let options =
            LookupClientOptions(
                Array.ofList settings.Servers,
                Timeout = settings.Timeout,
                Retries = 1,
                // The lifetimes of answers are kept to where they are used.
                UseCache = false,
                ThrowDnsErrors = false,
                ContinueOnDnsError = true
            )

        let client = LookupClient options

        let ask (name: string) (kind: QueryType) cancellation = task {
            let! response = client.QueryAsync(name, kind, cancellationToken = cancellation)

            return
                match response.Header.ResponseCode with
                | DnsHeaderResponseCode.NoError -> Ok(addresses response)
                | code -> Error(string code)
        }

        fun name cancellation -> task {
            try
                let! four = ask name QueryType.A cancellation
                let! six = ask name QueryType.AAAA cancellation

                match four, six with
                | Error why, _ -> return Error why
                | Ok four, six ->
                    // A server that knows nothing of IPv6 is no reason to doubt the rest.
                    let found = four @ Result.defaultValue [] six

                    return
                        Ok {
                            Addresses = List.map fst found
                            GoodFor =
                                if found.IsEmpty then
                                    None
                                else
                                    Some(found |> Seq.map snd |> Seq.min)
                        }
            with :? DnsResponseException as error ->
                return Error(string error.Code)
        }

    /// As the settings say.
    let ofSettings (settings: ResolverSettings) =
        if settings.Servers.IsEmpty then
            system
        else
            servers settings
