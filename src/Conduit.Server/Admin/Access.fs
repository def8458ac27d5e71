namespace Conduit.Server

open System
open System.Security.Cryptography
open System.Text
open Conduit

/// The secret that opens the admin API. Only its digest is kept: the text can neither be printed nor
/// logged, and two tokens are compared in a time that tells nothing of where they differ.
[<Sealed>]
type AdminToken private (digest: byte[]) =

    static let digestOf (text: string) =
        SHA256.HashData(Encoding.UTF8.GetBytes text)

    static member OfSecret(secret: Secret) = AdminToken(digestOf (secret.Reveal()))

    /// Whether `text` is the token.
    member _.Matches(text: string) =
        CryptographicOperations.FixedTimeEquals(digest, digestOf text)

    override _.ToString() = "***"

/// Who may use the admin API.
type AdminAccess = {
    /// Where one is set, everything under `/api` needs it.
    Token: AdminToken option
    /// Names besides `localhost` and addresses by which clients may reach the admin port, in lower case.
    Hosts: string list
    /// Whether writes are refused, whoever sends them.
    ReadOnly: bool
}

[<RequireQualifiedAccess>]
module AdminAccess =

    /// What there is without a word from the operator: no token, no further names. Good for loopback.
    let local = {
        Token = None
        Hosts = []
        ReadOnly = false
    }

    /// What the configuration says.
    let ofConfig (config: AdminConfig) = {
        Token = config.Token |> Option.map AdminToken.OfSecret
        Hosts = config.Hosts |> List.map _.ToLowerInvariant()
        ReadOnly = config.ReadOnly
    }
