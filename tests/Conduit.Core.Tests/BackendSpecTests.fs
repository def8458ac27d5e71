module Conduit.Tests.BackendSpecTests

open System
open FsCheck
open Xunit
open Conduit

let private whats result =
    match result with
    | Ok spec -> failwith $"read as {spec}"
    | Error(faults: Fault list) -> faults |> List.map _.What

[<Fact>]
let ``a weight is accepted from 0 to 256 and nowhere else`` () =
    let isRight value =
        match Weight.create "--backends" value, Weight.parse "--backends" (string value) with
        | Ok created, Ok parsed ->
            value >= 0 && value <= 256 && Weight.value created = value && created = parsed
        | Error fault, Error same ->
            (value < 0 || value > 256) && fault = same && fault.Remedy.Contains "0 to 256"
        | _ -> false

    Assert.All([ -10 .. 300 ], (fun value -> Assert.True(isRight value)))
    Property.check (fun (DoNotSize value) -> isRight value)

[<Theory>]
[<InlineData("257")>]
[<InlineData("-1")>]
[<InlineData("")>]
[<InlineData("1.5")>]
[<InlineData("99999999999")>]
[<InlineData("heavy")>]
let ``refuses the weight`` (text: string) =
    match Weight.parse "--backends" text with
    | Ok weight -> failwith $"read as {Weight.value weight}"
    | Error fault ->
        Assert.Equal("--backends", fault.Where)
        Assert.Contains("0 to 256", fault.Remedy)

[<Fact>]
let ``an id is 1 to 128 characters, none of them a control character`` () =
    Property.check (fun (text: string) ->
        [ text; ""; String('x', 128); String('x', 129) ]
        |> List.forall (fun text ->
            match BackendId.create "--backends" text with
            | Ok id ->
                BackendId.value id = text
                && text.Length >= 1
                && text.Length <= 128
                && not (Seq.exists Char.IsControl text)
            | Error fault ->
                fault.Where = "--backends"
                && (text = "" || text.Length > 128 || Seq.exists Char.IsControl text)))

[<Fact>]
let ``every part of the short form is read, in any order`` () =
    Property.check (fun (spec: BackendSpec) spaced ->
        let id = $"id={BackendId.value spec.Id}"
        let weight = $"weight={Weight.value spec.Weight}"
        let backup = if spec.Backup then "backup=true" else "backup=false"
        let semicolon = if spaced then " ; " else ";"

        [
            [ string spec.Url; id; weight; backup ]
            [ string spec.Url; backup; weight; id; "" ]
        ]
        |> List.forall (fun parts ->
            BackendSpec.parse "--backends" (String.Join(semicolon, parts)) = Ok spec))

[<Fact>]
let ``without options the weight is 1 and the id says where`` () =
    Property.check (fun (url: BackendUrl) ->
        let spec = Make.spec (string url)

        spec.Url = url
        && spec.Weight = Weight.one
        && not spec.Backup
        && BackendId.value spec.Id = url.Authority + url.BasePath)

[<Fact>]
let ``any text is a backend, or faults that all have their place and a remedy`` () =
    Property.check (fun (text: string) (options: string list) ->
        let text = String.Join(';', text :: options)

        [ text; $"http://h;{text}" ]
        |> List.forall (fun text ->
            match BackendSpec.parse "--backends" text with
            | Ok _ -> true
            | Error faults ->
                not faults.IsEmpty
                && faults
                   |> List.forall (fun fault ->
                       fault.Where = "--backends" && fault.What <> "" && fault.Remedy <> "")))

[<Fact>]
let ``every fault is told at once, in the order of the text`` () =
    Assert.Equal<string list>(
        [
            "'ftp://h' has the scheme 'ftp', which is neither http nor https"
            "the weight 257 is out of range"
            "'' cannot name a backend"
            "'wieght' is not an option of a backend (did you mean weight?)"
        ],
        BackendSpec.parse "--backends" "ftp://h;weight=257;id=;wieght=3" |> whats
    )

[<Theory>]
[<InlineData("http://h;weight", "the option 'weight' has no value")>]
[<InlineData("http://h;id", "the option 'id' has no value")>]
[<InlineData("http://h;backup", "the option 'backup' has no value")>]
let ``an option without a value is told as such`` (text: string, what: string) =
    Assert.Equal<string list>([ what ], BackendSpec.parse "--backends" text |> whats)

[<Fact>]
let ``duplicates are found, and only they`` () =
    Property.check (fun (specs: BackendSpec list) ->
        let unique key =
            specs |> List.distinctBy key |> List.length = specs.Length

        let isUnique = unique (_.Url >> string) && unique (_.Id >> BackendId.value)
        let faults = BackendSpec.duplicates "--backends" specs

        faults.IsEmpty = isUnique
        && faults |> List.forall (fun fault -> fault.Where = "--backends"))

[<Fact>]
let ``a repeated URL and an id that other backends share are told at once`` () =
    let specs =
        [ "http://a"; "http://a"; "http://b;id=x"; "http://c;id=x"; "http://d" ]
        |> List.map Make.spec

    Assert.Equal<string list>(
        [ "the URL 'http://a:80' stands 2 times"; "the id 'x' stands 2 times" ],
        BackendSpec.duplicates "--backends" specs |> List.map _.What
    )
