namespace Conduit.Server.Tests

open System.Text.Json
open System.Text.Json.Nodes
open Conduit

/// Small configurations around the keys of one section, in JSON.
[<RequireQualifiedAccess>]
module ConfigKey =

    /// What a section must have besides, to be right.
    let private required section (entries: (string * string) list) =
        let has key = List.exists (fst >> (=) key) entries

        match section with
        | "" when not (has "pools") -> [ "backends", """["http://10.0.0.1:8081"]""" ]
        | "pools.NAME" -> [ "backends", """["http://10.0.0.1:8081"]""" ]
        | "backends[]"
        | "pools.NAME.backends[]" -> [ "url", "\"http://10.0.0.1:8081\"" ]
        | "routes[]" -> [ "pool", "\"default\"" ]
        | "rate_limit"
        | "pools.NAME.rate_limit" -> [ "rate", "10" ]
        | "listen.tls.certificates[]"
        | "server.tls.certificates[]" -> [ "cert_file", "\"certs/server.pem\"" ]
        | "listen.tls"
        | "server.tls" when List.contains ("enabled", "true") entries -> [
            "cert_file", "\"certs/server.pem\""
          ]
        | "listen.tls"
        | "server.tls" when has "client_certificates" -> [ "client_ca_file", "\"certs/clients.pem\"" ]
        // With a token any address will do.
        | "admin" -> [ "token", "\"0123456789abcdef\"" ]
        | _ -> []
        |> List.filter (fst >> has >> not)

    /// A configuration that says of a section, named as in `Keys.sections`, no more than these entries
    /// and what must be. Values are JSON.
    let rec document (section: string) (entries: (string * string) list) : string =
        let inner =
            entries @ required section entries
            |> List.map (fun (key, value) ->
                let name = if key = "NAME" then "web" else key
                $"{JsonSerializer.Serialize name}: {value}")
            |> String.concat ", "
            |> fun entries -> $"{{ {entries} }}"

        match section.LastIndexOf '.' with
        | _ when section = "" -> inner
        | border ->
            let key = section.Substring(border + 1)
            let isItem = key.EndsWith "[]"

            document (if border < 0 then "" else section.Substring(0, border)) [
                key.Replace("[]", ""), (if isItem then $"[{inner}]" else inner)
            ]

    /// The faults of a configuration.
    let faults (document: string) : Fault list =
        match WrittenConfig.read "json" document with
        | Ok _ -> []
        | Error faults -> faults

    /// What an editor would mark in it.
    let marked (document: string) =
        WrittenConfig.marked (JsonNode.Parse document)

    /// The names that the reader offers for a key that takes one of several.
    let choices section key : string list =
        let offer = "use one of "

        faults (document section [ key, "\"no such name\"" ])
        |> List.map _.Remedy
        |> List.filter _.StartsWith(offer)
        |> List.collect (fun remedy -> List.ofArray (remedy.Substring(offer.Length).Split ", "))
