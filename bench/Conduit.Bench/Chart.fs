namespace Conduit.Bench

open System.Globalization

/// A picture of processor time by request: a group of bars for each case, a bar for each proxy.
[<RequireQualifiedAccess>]
module Chart =

    let private colours =
        Map [
            "conduit", "#d6336c"
            "nginx", "#2f9e44"
            "haproxy", "#1971c2"
            "caddy", "#74b816"
            "yarp", "#7048e8"
            "go", "#0c8599"
        ]

    let private width, left, barHeight, gap = 760.0, 110.0, 16.0, 34.0

    let private number (value: float) =
        value.ToString("0.##", CultureInfo.InvariantCulture)

    let private text (x: float) (y: float) (style: string) (content: string) =
        $"""<text x="{number x}" y="{number y}" {style}>{content}</text>"""

    let private bar top scale (index: int) (result: PeerResult) =
        let cost = Results.cost result
        let y = top + barHeight * float index
        let length = cost * scale

        [
            text (left - 8.0) (y + 12.0) "text-anchor=\"end\"" result.Peer
            $"""<rect x="{number left}" y="{number (y + 2.0)}" width="{number length}" height="{number (barHeight - 4.0)}" """
            + $"""fill="{Map.tryFind result.Peer colours |> Option.defaultValue "#868e96"}"/>"""
            text (left + length + 6.0) (y + 12.0) "" (number cost)
        ]

    /// Bars are as long as figures are within their case.
    let private group top (result: CaseResult) =
        let longest = result.Peers |> List.map Results.cost |> List.max
        let scale = (width - left - 70.0) / longest

        text 8.0 (top + 12.0) "font-weight=\"bold\"" (result.Title + ": microseconds a request")
        :: (result.Peers
            |> List.sortBy Results.cost
            |> List.mapi (bar (top + 18.0) scale)
            |> List.concat)

    let svg (results: CaseResult list) =
        let heights =
            results |> List.map (fun result -> barHeight * float result.Peers.Length + gap)

        let tops = heights |> List.scan (+) 8.0

        let groups =
            List.map2 group (List.truncate results.Length tops) results |> List.concat

        String.concat "\n" [
            $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number width} {number (List.last tops)}" """
            + "font-family=\"sans-serif\" font-size=\"11\">"
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
            yield! groups
            "</svg>\n"
        ]
