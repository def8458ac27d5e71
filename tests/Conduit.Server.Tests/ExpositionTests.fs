module Conduit.Server.Tests.ExpositionTests

open System
open Xunit
open Conduit
open Conduit.Server

let private families = [
    Family.counter "lb_a_total" "Back\\slash and\nline." (fun () -> seq {
        [ "backend", "http://h/\"q\"\\n\nx"; "status", "200" ], 3.0
        [], 1e21
    })
    Family.gauge "lb_b" "B." (Family.one (fun () -> 0.25))
    Family.histogram "lb_c_seconds" "C." [| 0.05; 1.0 |] (fun () -> seq {
        [ "backend", "x" ],
        {
            Counts = [| 1L; 2L; 4L |]
            Sum = TimeSpan.FromSeconds 12.5
        }
    })
]

let private render format =
    families |> List.map (Exposition.render format) |> String.concat ""

[<Fact>]
let ``text is as Prometheus reads it`` () =
    Assert.Equal(
        """# HELP lb_a_total Back\\slash and\nline.
# TYPE lb_a_total counter
lb_a_total{backend="http://h/\"q\"\\n\nx",status="200"} 3
lb_a_total 1E+21
# HELP lb_b B.
# TYPE lb_b gauge
lb_b 0.25
# HELP lb_c_seconds C.
# TYPE lb_c_seconds histogram
lb_c_seconds_bucket{backend="x",le="0.05"} 1
lb_c_seconds_bucket{backend="x",le="1.0"} 3
lb_c_seconds_bucket{backend="x",le="+Inf"} 7
lb_c_seconds_sum{backend="x"} 12.5
lb_c_seconds_count{backend="x"} 7
""",
        render ExpositionFormat.Text
    )

[<Fact>]
let ``OpenMetrics names a counter's family without its ending`` () =
    let text = render ExpositionFormat.OpenMetrics
    Assert.Contains("# TYPE lb_a counter\nlb_a_total{", text)
    Assert.DoesNotContain("TYPE lb_a_total", text)

[<Fact>]
let ``the format is the one that is asked for`` () =
    AdminPorts.run [] (fun port -> task {
        let! text = port.Get "/metrics"
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", text.ContentType)
        Assert.Contains("lb_build_info{version=", text.Text)
        Assert.DoesNotContain("# EOF", text.Text)

        let! answer =
            port.Send
                "GET"
                "/metrics"
                [ "Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" ]
                None

        Assert.Equal("application/openmetrics-text; version=1.0.0; charset=utf-8", answer.ContentType)
        Assert.EndsWith("\n# EOF\n", answer.Text)
    })
