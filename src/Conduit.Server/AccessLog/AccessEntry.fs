namespace Conduit.Server

open System
open System.Diagnostics
open System.Net
open Microsoft.AspNetCore.Http.Features
open Conduit

/// What the access log keeps of a request that is over, until it is written. Texts are those that the request
/// had; the ones that no field asks for are null.
[<Struct; NoEquality; NoComparison>]
type AccessEntry = {
    At: DateTime
    RequestId: string | null
    Client: string | null
    Scheme: string | null
    Protocol: string | null
    Method: string | null
    Host: string | null
    Target: string | null
    UserAgent: string | null
    Referer: string | null
    Status: int
    Received: int64
    Sent: int64
    Duration: TimeSpan
    /// Nothing where no backend answered.
    FirstByte: TimeSpan voption
    Tries: int
    /// The backend that was tried last.
    Backend: Target voption
    Cause: string | null
}

/// Which texts the lines need: the others are not looked for.
type AccessTexts = {
    RequestId: bool
    Client: bool
    Host: bool
    Target: bool
    UserAgent: bool
    Referer: bool
}

[<RequireQualifiedAccess>]
module AccessTexts =

    let ofFields (fields: AccessField list) : AccessTexts =
        let has field = List.contains field fields

        {
            RequestId = has AccessField.RequestId
            Client = has AccessField.Client
            Host = has AccessField.Host
            Target = has AccessField.Target
            UserAgent = has AccessField.UserAgent
            Referer = has AccessField.Referer
        }

[<RequireQualifiedAccess>]
module AccessEntry =

    /// Characters of all texts that a client has chosen the length of.
    let weight (entry: inref<AccessEntry>) =
        let length (text: string | null) =
            match text with
            | null -> 0
            | text -> text.Length

        length entry.Method
        + length entry.Target
        + length entry.Host
        + length entry.UserAgent
        + length entry.Referer

    let private target (exchange: Exchange) : string | null =
        match exchange.Http.Features.Get<IHttpRequestFeature>() with
        | null -> null
        | feature -> feature.RawTarget

    let private header (exchange: Exchange) (name: string) : string | null =
        let values = exchange.Http.Request.Headers[name]
        if values.Count = 0 then null else string values

    /// The address of the client, as proxies tell it that are trusted to.
    let private client (proxies: AddressSet) (exchange: Exchange) =
        if ClientAddress.isToldBy proxies exchange.Http then
            string (Address.ofNumber (ClientAddress.number proxies exchange.Http))
        else
            exchange.ClientText

    /// What there is to tell of a request that is over.
    let ofExchange (texts: AccessTexts) (proxies: AddressSet) (exchange: Exchange) : AccessEntry =
        let http = exchange.Http
        let record = exchange.Record
        let duration = Stopwatch.GetElapsedTime record.Began

        {
            At = DateTime.UtcNow - duration
            RequestId = if texts.RequestId then http.TraceIdentifier else null
            Client = if texts.Client then client proxies exchange else null
            Scheme = http.Request.Scheme
            Protocol = http.Request.Protocol
            Method = http.Request.Method
            Host = if texts.Host then header exchange "Host" else null
            Target = if texts.Target then target exchange else null
            UserAgent =
                if texts.UserAgent then
                    header exchange "User-Agent"
                else
                    null
            Referer = if texts.Referer then header exchange "Referer" else null
            Status = Account.status exchange
            Received = record.Received
            Sent = record.Sent
            Duration = duration
            FirstByte =
                if record.HeadAt = 0L then
                    ValueNone
                else
                    ValueSome(Stopwatch.GetElapsedTime(record.Began, record.HeadAt))
            Tries = record.Tries
            Backend = record.Target
            Cause = record.Cause
        }
