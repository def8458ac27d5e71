namespace Conduit.Server

open System
open System.Text
open System.Text.Json
open Conduit

/// The figures of one moment, made ready once for all who watch.
[<NoEquality; NoComparison>]
type LiveFrame = {
    /// 1, 2, 3, ...
    Number: int64
    Figures: Wire.Live
    /// For those who have not seen the frame before it: all backends. Made when the first of them comes.
    Whole: Lazy<byte[]>
    /// For those who have: the backends that changed.
    Change: byte[]
}

[<RequireQualifiedAccess>]
module LiveFrame =

    let private bytes (number: int64) (kind: string) (figures: Wire.Live) =
        let data = JsonSerializer.Serialize(figures, Wire.options)
        Encoding.UTF8.GetBytes $"id: {number}\nevent: {kind}\ndata: {data}\n\n"

    /// The time that passes is no change: who watches has a clock.
    let private isSame (before: Wire.Backend) (after: Wire.Backend) =
        { before with SinceSeconds = 0.0 } = { after with SinceSeconds = 0.0 }

    let private names (figures: Wire.Live) =
        figures.Backends |> Array.map (fun backend -> backend.Pool, backend.Id)

    let private changed (before: Wire.Live) (after: Wire.Live) = {
        after with
            Backends =
                Array.zip before.Backends after.Backends
                |> Array.filter (fun (before, after) -> not (isSame before after))
                |> Array.map snd
    }

    /// The frame that follows another. Where a backend came, went or moved, even those who saw the one
    /// before get all of them.
    let next (previous: LiveFrame option) (figures: Wire.Live) : LiveFrame =
        let number =
            match previous with
            | Some frame -> frame.Number + 1L
            | None -> 1L

        let whole = lazy (bytes number "whole" figures)

        {
            Number = number
            Figures = figures
            Whole = whole
            Change =
                match previous with
                | Some frame when names frame.Figures = names figures ->
                    bytes number "change" (changed frame.Figures figures)
                | _ -> whole.Value
        }

    /// What somebody needs who has seen the frames up to a number; -1 for none.
    let since (seen: int64) (frame: LiveFrame) =
        if frame.Number = seen + 1L then
            frame.Change
        else
            frame.Whole.Value
