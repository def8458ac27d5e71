namespace Conduit.Server.Tests

open System
open System.Text.RegularExpressions
open Xunit
open Conduit

/// The tables of docs/configuration.md say what the readers do.
module ConfigReferenceTests =

    let private keys = Documents.keys ()

    let private path section key =
        if section = "" then key else $"{section}.{key}"

    [<Fact>]
    let ``every key is described once, and nothing else`` () =
        let described = [ for key in keys -> path key.Section key.Key ]
        Assert.Equal<string list>(List.sort Keys.paths, List.sort described)

    let private isSection key =
        let path = path key.Section key.Key

        Keys.sections
        |> List.exists (fun (section, _) -> section = path || section = path + "[]")

    [<Fact>]
    let ``every key says what it is for, and gives an example unless it has a table of its own`` () =
        for key in keys do
            Assert.True(key.Meaning <> "", $"{path key.Section key.Key} says nothing")
            Assert.True(key.Example.IsSome || isSection key, $"{path key.Section key.Key} has no example")

    /// A value that the document writes as YAML.
    let private json text =
        match WrittenConfig.json "yaml" text with
        | null -> failwith $"{text} is nothing"
        | value -> value.ToJsonString()

    [<Fact>]
    let ``every example is right, for the reader and for the schema`` () =
        let wrong = [
            for key in keys do
                for example in Option.toList key.Example do
                    let document = ConfigKey.document key.Section [ key.Key, json example ]

                    for fault in ConfigKey.faults document do
                        Fault.render fault

                    for mark in ConfigKey.marked document do
                        $"{path key.Section key.Key}: {mark}"
        ]

        Assert.Equal<string list>([], wrong)

    [<Fact>]
    let ``every name that the reader offers is in the document`` () =
        let text = Documents.read "docs/configuration.md"

        let offered =
            keys |> List.collect (fun key -> ConfigKey.choices key.Section key.Key)

        Assert.Contains("power-of-two-choices", offered)

        for name in List.distinct offered do
            Assert.Contains($"`{name}`", text, StringComparison.OrdinalIgnoreCase)

    [<Fact>]
    let ``a range is that of the reader`` () =
        let isRight key (number: int) =
            (ConfigKey.faults (ConfigKey.document key.Section [ key.Key, string number ])).IsEmpty

        let ranges = [
            for key in keys do
                let found = Regex.Match(key.Type, @"(\d+) (?:to (\d+)|or more)$")

                if found.Success then
                    let least = int found.Groups[1].Value
                    Assert.True(isRight key least && not (isRight key (least - 1)), $"{key.Key} from {least}")

                    if found.Groups[2].Success then
                        let most = int found.Groups[2].Value
                        Assert.True(isRight key most && not (isRight key (most + 1)), $"{key.Key} to {most}")

                    key
        ]

        Assert.NotEmpty ranges

    /// What a configuration means. Whether the admin port was asked for is told apart from where it is,
    /// and asking for the default is asking.
    let private meaning document =
        match WrittenConfig.read "json" document with
        | Ok config ->
            Ok {
                config with
                    Admin = config.Admin |> Option.map (fun admin -> { admin with Asked = false })
            }
        | Error faults -> Error(faults |> List.map Fault.render)

    [<Fact>]
    let ``to state a default changes nothing`` () =
        for key in keys do
            for stated in Option.toList key.Default do
                let without = meaning (ConfigKey.document key.Section [])
                let with' = meaning (ConfigKey.document key.Section [ key.Key, json stated ])
                Assert.True(with'.IsOk, $"{path key.Section key.Key}: %A{with'}")
                Assert.True((without = with'), $"{path key.Section key.Key} is not {stated} by default")

    /// The paths of single values, as `Keys.paths` names them.
    let rec private values (path: string) (node: Node) : (string * string) list =
        match node.Value with
        | NodeValue.Scalar text -> [ path, text ]
        | NodeValue.Nothing -> []
        | NodeValue.Sequence items -> items |> List.collect (values $"{path}[]")
        | NodeValue.Mapping entries ->
            entries
            |> List.collect (fun entry ->
                let key =
                    if path = "pools" then "NAME"
                    elif path = "" then entry.Key
                    else "." + entry.Key

                values (if path = "pools" then $"{path}.{key}" else path + key) entry.Node)

    /// What is not a default in the configuration below, because it says it or derives it.
    let private given = [
        "pools.NAME.backends[].url"
        "pools.NAME.backends[].id"
        "routes[].pool"
        "routes[].name"
    ]

    [<Fact>]
    let ``every value of a configuration that says nothing stands as a default`` () =
        let text =
            """{ "backends": ["http://10.0.0.1:8081"], "routes": [{ "pool": "default" }] }"""

        match WrittenConfig.read "json" text with
        | Error faults -> failwith $"%A{faults}"
        | Ok config ->
            let found =
                values "" (Render.node config)
                |> List.filter (fun (path, _) -> not (List.contains path given))

            Assert.True(found.Length > 15, "hardly anything was rendered")

            for rendered, value in found do
                let key = keys |> List.find (fun key -> path key.Section key.Key = rendered)
                Assert.Equal((rendered, Some value), (rendered, Option.map WrittenConfig.scalar key.Default))
