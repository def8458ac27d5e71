namespace Conduit.Server

open System
open System.IO
open System.Net.Http
open System.Net.Sockets
open Microsoft.AspNetCore.Http
open Conduit
open Conduit.Transport

/// Turns the exceptions of a try into its outcome: the only place where that happens.
[<RequireQualifiedAccess>]
module FailedTry =

    let private ofBackend (error: BackendFaultException) =
        match error.Kind with
        | BackendFaultKind.NotConnected -> Outcome.ConnectFailed error.Message
        | BackendFaultKind.Shortage -> Outcome.Shortage error.Message
        | BackendFaultKind.ConnectTimeout -> Outcome.ConnectFailed "no connection within the connect timeout"
        | BackendFaultKind.Closed
        | BackendFaultKind.Reset -> Outcome.Reset error.Message
        | BackendFaultKind.Truncated -> Outcome.Truncated error.Message
        | BackendFaultKind.Refused -> Outcome.BodyRefused error.Message
        | _ -> Outcome.Garbled error.Message

    let private ofRequest (error: HttpRequestException) =
        match error.HttpRequestError, error.InnerException with
        | (HttpRequestError.ConnectionError | HttpRequestError.NameResolutionError),
          (:? SocketException as why) -> ofBackend (BackendFaultException.NotConnected why)
        | HttpRequestError.ConnectionError, _ -> Outcome.ConnectFailed "connection refused or unreachable"
        | HttpRequestError.NameResolutionError, _ -> Outcome.ConnectFailed "the host's name has no address"
        | HttpRequestError.SecureConnectionError, _ -> Outcome.ConnectFailed "the TLS handshake failed"
        | HttpRequestError.ResponseEnded, _ -> Outcome.Reset "the backend closed the connection"
        | HttpRequestError.InvalidResponse, _ -> Outcome.Garbled "not HTTP"
        | HttpRequestError.ConfigurationLimitExceeded, _ -> Outcome.Garbled "the headers are too large"
        | _, (:? IOException) -> Outcome.Reset "the backend reset the connection"
        | _ -> Outcome.Garbled error.Message

    let private ofPhase phase ended =
        match phase with
        | Phase.ReadingClient
        | Phase.WritingClient -> Outcome.ClientStalled $"{ended}, or less than listen.min_rate"
        | Phase.ReadingBackend -> Outcome.Quiet ended
        | _ -> Outcome.TimedOut ended

    /// `clientFault` is what went wrong when the client's body was read.
    let outcome (exchange: Exchange) (clientFault: exn option) (error: exn) =
        match error, clientFault with
        | _ when exchange.ClientGone -> Outcome.ClientGone
        | _, Some(:? BadHttpRequestException as fault) when
            fault.StatusCode = StatusCodes.Status413PayloadTooLarge
            ->
            Outcome.BodyTooLarge
        | _, Some(:? BadHttpRequestException as fault) -> Outcome.ClientInvalid fault.Message
        | :? OperationCanceledException, _ when exchange.Token.IsCancellationRequested ->
            match exchange.EndedIn with
            | Phase.AwaitingHead when exchange.IsOverdue ->
                Outcome.TimedOut "no response within the request's timeout"
            | Phase.AwaitingHead -> Outcome.TimedOut "no response within the response timeout"
            | _ when exchange.IsOverdue -> Outcome.Overdue "no end within the request's timeout"
            | phase -> ofPhase phase "no progress within the idle timeout"
        // Whatever else breaks in reading from the client is the client's.
        | _, Some _ -> Outcome.ClientGone
        | :? OperationCanceledException, _ -> Outcome.ConnectFailed "no connection within the connect timeout"
        | :? BackendFaultException as error, _ -> ofBackend error
        | (:? IOException | :? HttpRequestException), _ when exchange.Phase = Phase.WritingBackend ->
            Outcome.BodyRefused "the backend broke the connection"
        | :? HttpRequestException as error, _ -> ofRequest error
        | :? IOException, _ when exchange.Phase = Phase.ReadingBackend ->
            Outcome.Truncated "the backend broke the connection"
        | :? IOException, _ when exchange.Phase = Phase.WritingClient -> Outcome.ClientGone
        | :? IOException, _ -> Outcome.Reset "the backend broke the connection"
        | error, _ -> Outcome.Garbled $"{error.GetType().Name}: {error.Message}"
