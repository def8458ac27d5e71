namespace Conduit

/// One thing wrong with what an operator wrote: where, what, and what would be right.
type Fault = {
    /// A flag (`--port`) or the path of a key (`pools.web.strategy`).
    Where: string
    What: string
    Remedy: string
}

[<RequireQualifiedAccess>]
module Fault =

    let create where what remedy = {
        Where = where
        What = what
        Remedy = remedy
    }

    /// One line: `where: what; remedy`.
    let render fault =
        $"{fault.Where}: {fault.What}; {fault.Remedy}"

    /// How a value that someone typed is shown in a message: quoted, cut to 80 characters, and with
    /// control characters replaced, so that a message cannot be used to forge another.
    let quote (value: string) =
        let shown =
            value |> String.map (fun c -> if System.Char.IsControl c then '?' else c)

        if shown.Length > 80 then
            $"'{shown.Substring(0, 77)}...'"
        else
            $"'{shown}'"
