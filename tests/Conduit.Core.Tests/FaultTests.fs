module Conduit.Tests.FaultTests

open System
open Xunit
open Conduit

[<Fact>]
let ``a quoted value is short, between quotes, and without control characters`` () =
    Property.check (fun (text: string) ->
        let quoted = Fault.quote text

        quoted.Length <= 82
        && quoted.StartsWith '\''
        && quoted.EndsWith '\''
        && not (Seq.exists Char.IsControl quoted))

[<Fact>]
let ``a value of up to 80 printable characters is quoted as it is`` () =
    Assert.Equal($"'{String('x', 80)}'", Fault.quote (String('x', 80)))
    Assert.Equal($"'{String('x', 77)}...'", Fault.quote (String('x', 81)))

[<Fact>]
let ``a fault is one line`` () =
    let fault = Fault.create "--port" (Fault.quote "1\n--host: forged") "use 1 to 65535"
    Assert.Equal("--port: '1?--host: forged'; use 1 to 65535", Fault.render fault)
