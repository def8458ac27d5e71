module Conduit.Tests.AddressSetTests

open System
open System.Net
open FsCheck.FSharp
open Xunit
open Conduit

let private parse text =
    match AddressSet.parse "test" text with
    | Ok set -> set
    | Error fault -> failwith (Fault.render fault)

let private set texts = AddressSet.union (List.map parse texts)

let private has (text: string) set =
    AddressSet.contains (Address.number (IPAddress.Parse text)) set

/// Addresses of a small world, so that networks hold some of them.
let private address =
    Gen.oneof [
        Gen.map2
            (fun a b -> IPAddress([| 10uy; 0uy; byte a; byte b |]))
            (Gen.choose (0, 3))
            (Gen.choose (0, 255))
        Gen.map2 (fun a b -> IPAddress.Parse $"2001:db8:{a}::{b}") (Gen.choose (0, 3)) (Gen.choose (0, 999))
    ]

let private network = gen {
    let! address = address
    let bits = address.GetAddressBytes().Length * 8
    let! length = Gen.choose (0, bits)
    let bytes = address.GetAddressBytes()

    for bit in length .. bits - 1 do
        bytes[bit / 8] <- bytes[bit / 8] &&& ~~~(128uy >>> (bit % 8))

    return IPNetwork(IPAddress bytes, length)
}

[<Fact>]
let ``an address is in the set if it is in one of the networks`` () =
    Property.check (
        Prop.forAll
            (Arb.fromGen (Gen.zip (Gen.listOf network) (Gen.listOf address)))
            (fun (networks, addresses) ->
                let set = networks |> List.map string |> set

                addresses
                |> List.forall (fun address ->
                    AddressSet.contains (Address.number address) set =
                        (networks |> List.exists _.Contains(address))))
    )

[<Fact>]
let ``an IPv4 address is the same when it comes by IPv6`` () =
    let set = set [ "10.0.0.0/8" ]
    Assert.True(has "10.1.2.3" set)
    Assert.True(has "::ffff:10.1.2.3" set)
    Assert.False(has "::10.1.2.3" set)
    Assert.False(has "11.0.0.0" set)

[<Fact>]
let ``ranges that touch or lie in each other are found from end to end`` () =
    let set =
        set [ "10.0.1.0/24"; "10.0.0.0/24"; "10.0.0.7"; "255.255.255.255"; "::/128" ]

    for inside in [ "10.0.0.0"; "10.0.0.255"; "10.0.1.0"; "10.0.1.255"; "255.255.255.255"; "::" ] do
        Assert.True(has inside set, inside)

    for outside in [ "9.255.255.255"; "10.0.2.0"; "255.255.255.254"; "::1"; "ffff::" ] do
        Assert.False(has outside set, outside)

[<Fact>]
let ``nothing is in the empty set`` () =
    Assert.True(AddressSet.isEmpty AddressSet.empty)
    Assert.False(has "0.0.0.0" AddressSet.empty)

[<Theory>]
[<InlineData("10.0.0.1/8", "has bits beyond the first 8")>]
[<InlineData("2001:db8::1/64", "has bits beyond the first 64")>]
[<InlineData("10.0.0.0/33", "has a length that is not 0 to 32")>]
[<InlineData("::/129", "has a length that is not 0 to 128")>]
[<InlineData("10.0.0.0/", "has a length that is not 0 to 32")>]
[<InlineData("10.0.0.0/-1", "has a length that is not 0 to 32")>]
[<InlineData("10.1", "is not a network")>]
[<InlineData("1", "is not a network")>]
[<InlineData("fe80::1%2", "is not a network")>]
[<InlineData("example.com", "is not a network")>]
[<InlineData("10.0.0.0/8/8", "is not a network")>]
[<InlineData("", "is not a network")>]
let ``what is no network is told as such`` (text: string, what: string) =
    match AddressSet.parse "allow[0]" text with
    | Ok _ -> failwith "was read"
    | Error fault -> Assert.Equal(("allow[0]", $"'{text}' {what}"), (fault.Where, fault.What))

[<Fact>]
let ``all of IPv4 and the first half of IPv6 tell owners apart`` () =
    let owner (text: string) =
        Address.owner (Address.number (IPAddress.Parse text))

    Assert.NotEqual(owner "10.0.0.1", owner "10.0.0.2")
    Assert.Equal(owner "10.0.0.1", owner "::ffff:10.0.0.1")
    Assert.Equal(owner "2001:db8:0:1::1", owner "2001:db8:0:1:ffff::2")
    Assert.NotEqual(owner "2001:db8:0:1::1", owner "2001:db8:0:2::1")

[<Fact>]
let ``asking allocates nothing`` () =
    let set = set [ "10.0.0.0/8"; "2001:db8::/32" ]
    let addresses = [| IPAddress.Parse "10.0.0.1"; IPAddress.Parse "2001:db8::1" |]

    let ask () =
        for turn in 1..10_000 do
            AddressSet.contains (Address.owner (Address.number addresses[turn % 2])) set
            |> ignore

    ask ()
    let before = GC.GetAllocatedBytesForCurrentThread()
    ask ()
    Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0L, 10_000L)
