namespace Conduit

/// A text that must not be shown: logs and printed configurations get its mask.
[<Struct; CustomEquality; NoComparison; StructuredFormatDisplay("********")>]
type Secret =
    private
    | Secret of string

    /// The text itself, for comparing and nothing else.
    member this.Reveal() =
        let (Secret text) = this
        text

    override _.ToString() = "********"

    override this.Equals other =
        match other with
        | :? Secret as that -> this.Reveal() = that.Reveal()
        | _ -> false

    override this.GetHashCode() = this.Reveal().GetHashCode()

[<RequireQualifiedAccess>]
module Secret =

    /// The fewest characters that a token may have.
    let shortestToken = 16

    /// A token of at least 16 characters that a header can carry. The fault never shows the text.
    let token where (text: string) : Result<Secret, Fault> =
        let remedy =
            $"use at least {shortestToken} letters, digits or punctuation marks, as `openssl rand -hex 32` makes them"

        if text.Length < shortestToken then
            Error(Fault.create where $"the token is shorter than {shortestToken} bytes" remedy)
        elif text |> Seq.exists (fun c -> c <= ' ' || c > '~') then
            Error(Fault.create where "the token has a character that a header cannot carry" remedy)
        else
            Ok(Secret text)

    /// Any text but an empty one.
    let password where (text: string) : Result<Secret, Fault> =
        if text = "" then
            Error(Fault.create where "the password is empty" "write it, or remove the key")
        else
            Ok(Secret text)

    /// A secret as a configuration has it: itself, or `file:PATH` for the contents of a file without the
    /// line break at its end. `readFile` gives those contents, or why they cannot be had.
    let read (readFile: string -> Result<string, string>) (check: string -> string -> Result<Secret, Fault>) =
        fun where (text: string) ->
            let revealed =
                if text.StartsWith "file:" then
                    readFile (text.Substring 5)
                    |> Result.mapError (fun why -> Fault.create where why "name a file that can be read")
                    |> Result.map _.TrimEnd('\r', '\n')
                else
                    Ok text

            revealed |> Result.bind (check where)
