namespace Conduit.Server.Tests

open System
open System.IO
open System.Text.RegularExpressions

/// A key as docs/configuration.md describes it.
type DocumentedKey = {
    /// As `Keys.sections` names it.
    Section: string
    Key: string
    Type: string
    /// The value that it has when it is left out, as YAML. None where there is none, or words describe it.
    Default: string option
    /// As YAML.
    Example: string option
    /// Without markup.
    Meaning: string
}

/// A configuration that a document shows, and what it says that `conduit` makes of it.
type DocumentedFile = {
    /// The document and the line.
    Where: string
    /// `yaml` or `json`.
    Language: string
    Text: string
    /// Command lines with what they print.
    Runs: (string * string list) list
}

/// The documents of the project.
[<RequireQualifiedAccess>]
module Documents =

    let private root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "../../.."))

    /// The names of all documents for people, from the root of the project.
    let all = [
        for folder in [ root; Path.Combine(root, "docs") ] do
            for file in Directory.GetFiles(folder, "*.md") -> Path.GetRelativePath(root, file)
    ]

    /// The text of a file, named from the root of the project.
    let read (name: string) =
        File.ReadAllText(Path.Combine(root, name))

    let private quoted (text: string) = [
        for found in Regex.Matches(text, "`([^`]+)`") -> found.Groups[1].Value
    ]

    /// The sections that a heading names. The keys at the top are in a section without a name.
    let private sectionsOf (heading: string) = [
        yield! quoted heading
        if heading.Contains("at the top", StringComparison.OrdinalIgnoreCase) then
            ""
    ]

    let private cells (row: string) =
        row.Trim().Trim('|').Split '|' |> Array.map _.Trim()

    /// The value that a cell begins with. Words that follow limit it, and words alone are no value.
    let private literal (cell: string) =
        if cell.StartsWith '`' then
            List.tryHead (quoted cell)
        else
            None

    let private plain (text: string) =
        Regex.Replace(text, @"\[([^\]]*)\]\([^)]*\)", "$1").Replace("`", "")

    let private rows (lines: string seq) = [
        let mutable sections = []
        let mutable isOfKeys = false

        for line in lines do
            if line.StartsWith '#' then
                sections <- if line.StartsWith "### " then sectionsOf line else []
            elif not (line.StartsWith '|') then
                isOfKeys <- false
            elif (cells line)[0] = "key" then
                isOfKeys <- true
            elif isOfKeys && not (line.StartsWith "|-") then
                for section in sections -> section, cells line
    ]

    /// Every row of the tables of keys in docs/configuration.md, once for each section it stands for.
    let keys () : DocumentedKey list = [
        for section, cells in rows ((read "docs/configuration.md").Split '\n') do
            {
                Section = section
                Key = cells[0].Trim '`'
                Type = cells[1]
                Default = literal cells[2]
                Example = literal cells[3]
                Meaning = plain cells[4]
            }
    ]

    /// Blocks of code: the line, the language, and the lines in it.
    let private blocks (lines: string[]) = [
        let fences = [
            for index, line in Seq.indexed lines do
                if line.StartsWith "```" then
                    index, line.Substring 3
        ]

        for pair in List.chunkBySize 2 fences do
            match pair with
            | [ (first, language); (last, "") ] -> first + 1, language, lines[first + 1 .. last - 1]
            | _ -> failwith $"the block of line {fst pair.Head + 1} does not end"
    ]

    let private runs (lines: string[]) =
        let folder (line: string) (output, runs) =
            if line.StartsWith "$ " then
                [], (line.Substring 2, output) :: runs
            else
                line :: output, runs

        Array.foldBack folder lines ([], []) |> snd

    /// The configurations in a document, each with the console that follows it.
    let files (name: string) : DocumentedFile list =
        let blocks = blocks ((read name).Split '\n')

        [
            for (line, language, text), next in Seq.pairwise (blocks @ [ 0, "", [||] ]) do
                if language = "yaml" || language = "json" then
                    {
                        Where = $"{name}:{line}"
                        Language = language
                        Text = String.Join('\n', text)
                        Runs =
                            match next with
                            | _, "console", lines -> runs lines
                            | _ -> []
                    }
        ]
