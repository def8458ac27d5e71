namespace Conduit

open System
open FsToolkit.ErrorHandling

/// Reads how clients are kept with their backends.
[<RequireQualifiedAccess>]
module ReadSticky =

    let private cookieName: ReadText<string> =
        fun where text ->
            if Token.is text then
                Ok text
            else
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} cannot name a cookie"
                        "use letters, digits, dashes and underscores, as in lb_session"
                )

    /// The section `sticky_session`; nothing when it is not switched on.
    let read readSecret (place: Place) : Validation<StickySettings option, Fault> =
        let kinds = [ "cookie", true; "ip", false ]
        let kind = place |> Place.value "type" (Scalars.oneOf kinds) true
        let switch = place |> Place.value "enabled" Scalars.boolean false

        // A cookie's Max-Age is in whole seconds, and 0 of them would delete it.
        let shortest =
            match switch, kind with
            | Ok true, Ok true -> TimeSpan.FromSeconds 1.0
            | _ -> TimeSpan.FromMilliseconds 1.0

        let duration = Duration.parseAtLeast shortest

        validation {
            let! () = Place.onlyKnown Keys.stickySession place
            and! on = switch
            and! isCookie = kind
            and! name = place |> Place.value "cookie_name" cookieName "lb_session"
            and! timeout = place |> Place.either [ "timeout"; "ttl" ] duration
            and! key = place |> Place.optional "key" (Secret.read readSecret Secret.token)
            and! most = place |> Place.value "max_sessions" (Scalars.whole 1 16_777_216) 65_536
            and! cleanup = place |> Place.optional "cleanup_interval" Duration.parse

            return
                if on then
                    Some {
                        By = if isCookie then StickyBy.Cookie name else StickyBy.Client
                        Timeout = timeout |> Option.defaultValue (TimeSpan.FromHours 24.0)
                        MaxSessions = most
                        Key = key
                        CleanupInterval = cleanup
                    }
                else
                    None
        }
