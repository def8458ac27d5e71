module Conduit.Tests.StableHashTests

open System
open System.Text
open Xunit
open Conduit

/// What the reference implementation of XXH64 makes of these.
[<Theory>]
[<InlineData("", 0UL, 0xEF46DB3751D8E999UL)>]
[<InlineData("a", 0UL, 0xD24EC4F1A98C6E5BUL)>]
[<InlineData("abc", 0UL, 0x44BC2CF5AD770999UL)>]
[<InlineData("Nobody inspects the spammish repetition", 0UL, 0xFBCEA83C8A378BF1UL)>]
let ``the hash is that of the specification`` (text: string, seed: uint64, expected: uint64) =
    Assert.Equal(expected, StableHash.ofName seed text)
    Assert.Equal(expected, StableHash.ofBytes seed (ReadOnlySpan(Encoding.UTF8.GetBytes text)))

[<Fact>]
let ``a text is hashed by two bytes for each character, the lower one first`` () =
    Property.check (fun (text: string) seed ->
        StableHash.ofText seed (text.AsSpan()) =
            StableHash.ofBytes seed (ReadOnlySpan(text.ToCharArray() |> Array.collect BitConverter.GetBytes)))

[<Fact>]
let ``every byte counts, and so does its place`` () =
    let hashes = [|
        for length in 0..70 do
            StableHash.ofBytes 0UL (ReadOnlySpan(Array.zeroCreate<byte> length))

            for at in 0 .. length - 1 do
                StableHash.ofBytes
                    0UL
                    (ReadOnlySpan(Array.init length (fun i -> if i = at then 1uy else 0uy)))
    |]

    Assert.Equal(hashes.Length, (Array.distinct hashes).Length)
