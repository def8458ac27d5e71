namespace Conduit

[<RequireQualifiedAccess>]
type LogFormat =
    | Text
    | Json

[<RequireQualifiedAccess>]
module LogFormat =

    let names = [ "text", LogFormat.Text; "json", LogFormat.Json ]

    let name format =
        names |> List.find (fun (_, known) -> known = format) |> fst

/// What a line of the access log tells of a request.
[<RequireQualifiedAccess>]
type AccessField =
    /// When its head was there.
    | Time
    | RequestId
    | Client
    | Scheme
    | Protocol
    | Method
    | Host
    | Target
    | UserAgent
    | Referer
    | Status
    /// Bytes of bodies, from the client and to it.
    | ReceivedBytes
    | SentBytes
    /// Milliseconds from its head to the end of the response.
    | Duration
    /// Milliseconds from its head to the head of the backend's response.
    | FirstByte
    | Tries
    | Pool
    /// The URL of the backend that was tried last.
    | Backend
    /// Why no backend answered, or not to the end.
    | Cause

[<RequireQualifiedAccess>]
module AccessField =

    /// Their names, in the order in which they stand in a line unless the operator says otherwise.
    let names = [
        "time", AccessField.Time
        "request_id", AccessField.RequestId
        "client", AccessField.Client
        "scheme", AccessField.Scheme
        "protocol", AccessField.Protocol
        "method", AccessField.Method
        "host", AccessField.Host
        "target", AccessField.Target
        "user_agent", AccessField.UserAgent
        "referer", AccessField.Referer
        "status", AccessField.Status
        "received_bytes", AccessField.ReceivedBytes
        "sent_bytes", AccessField.SentBytes
        "duration_ms", AccessField.Duration
        "first_byte_ms", AccessField.FirstByte
        "tries", AccessField.Tries
        "pool", AccessField.Pool
        "backend", AccessField.Backend
        "cause", AccessField.Cause
    ]

    let name field =
        names |> List.find (fun (_, known) -> known = field) |> fst

/// A line for each request.
type AccessLogConfig = {
    /// The file that lines are added to; standard output where there is none.
    LogFile: string option
    Format: LogFormat
    /// At least one, each once.
    Fields: AccessField list
    /// The share of the requests that get a line, from 0 to 1. Those that failed always do.
    Sample: float
    /// Lines that may wait to be written; what is more is dropped, and counted.
    Queue: int
}

[<RequireQualifiedAccess>]
module AccessLogConfig =

    /// What stands for standard output in the place of a file.
    let standardOutput = "stdout"

    let defaults = {
        LogFile = None
        Format = LogFormat.Text
        Fields = List.map snd AccessField.names
        Sample = 1.0
        Queue = 8192
    }
