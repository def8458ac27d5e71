namespace Conduit.Server.Ctl

open System
open System.IO
open Argu
open FsToolkit.ErrorHandling
open Conduit

/// Whom to ask, and how to show the answer.
type CtlSettings = {
    AdminUrl: Uri
    /// As it is sent; never printed.
    Token: string option
    Pool: string
    Json: bool
}

[<RequireQualifiedAccess>]
module CtlSettings =

    let private defaultUrl = "http://127.0.0.1:8090"

    let private url (where: string, text: string) =
        match Uri.TryCreate(text, UriKind.Absolute) with
        | true, NonNull url when
            (url.Scheme = "http" || url.Scheme = "https")
            && url.Host <> ""
            && url.PathAndQuery = "/"
            && url.UserInfo = ""
            ->
            Ok url
        | _ ->
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is not the URL of an admin port"
                    "write http://host:port, as in http://127.0.0.1:8090"
            )

    let private ofFile where (path: string) =
        let unreadable =
            Error(
                Fault.create
                    where
                    $"the file {Fault.quote path} cannot be read"
                    "file:PATH names the file of the token"
            )

        try
            Ok(File.ReadAllText(path).Trim())
        with
        | :? IOException
        | :? UnauthorizedAccessException
        | :? ArgumentException -> unreadable

    /// Faults do not show the token.
    let private token (where: string, text: string) =
        let read =
            if text.StartsWith "file:" then
                ofFile where (text.Substring 5)
            else
                Ok text

        read
        |> Result.bind (fun token ->
            if token <> "" && token |> Seq.forall (fun c -> c > ' ' && c <= '~') then
                Ok token
            else
                Error(
                    Fault.create
                        where
                        "the token is empty or has a character that a header cannot carry"
                        "use that of admin.token"
                ))

    /// From flags, then the environment, then defaults.
    let create (variable: string -> string option) (parsed: ParseResults<CtlArgument>) =
        let given flag name (argument: string option) =
            match argument, variable name with
            | Some text, _ -> Some(flag, text)
            | None, Some text when text <> "" -> Some(name, text)
            | _ -> None

        validation {
            let! url =
                parsed.TryGetResult CtlArgument.Admin_Url
                |> given "--admin-url" "CONDUIT_ADMIN_URL"
                |> Option.defaultValue ("--admin-url", defaultUrl)
                |> url

            and! token =
                parsed.TryGetResult CtlArgument.Token
                |> given "--token" "CONDUIT_TOKEN"
                |> Option.map (token >> Result.map Some)
                |> Option.defaultValue (Ok None)

            return {
                AdminUrl = url
                Token = token
                Pool = parsed.TryGetResult CtlArgument.Pool |> Option.defaultValue "default"
                Json = parsed.Contains CtlArgument.Json
            }
        }
