namespace Conduit.Server.Tests

open Xunit

/// The configurations that documents show do what the documents say.
module ConfigExampleTests =

    let private files = List.collect Documents.files Documents.all

    let places: TheoryData<string> = TheoryData<string>(files |> List.map _.Where)

    let private find place =
        files |> List.find (fun file -> file.Where = place)

    [<Theory>]
    [<MemberData(nameof places)>]
    let ``a configuration does what the document says`` (place: string) =
        let file = find place

        if file.Runs.IsEmpty then
            Assert.Equal<string list>([ "ok" ], WrittenConfig.run file "conduit check")

        for command, printed in file.Runs do
            Assert.Equal<string list>(printed, WrittenConfig.run file command)

    [<Theory>]
    [<MemberData(nameof places)>]
    let ``a configuration is right in an editor if it is right`` (place: string) =
        let file = find place
        let isRight = (WrittenConfig.read file.Language file.Text).IsOk
        let marked = WrittenConfig.marked (WrittenConfig.json file.Language file.Text)
        // Names that do not exist are beyond a schema.
        if isRight then
            Assert.Empty marked

    [<Theory>]
    [<InlineData "README.md">]
    [<InlineData "docs/configuration.md">]
    [<InlineData "docs/routing.md">]
    let ``the documents about configurations show some`` (document: string) =
        Assert.Contains(files, fun file -> file.Where.StartsWith(document + ":"))
