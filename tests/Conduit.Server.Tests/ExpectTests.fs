module Conduit.Server.Tests.ExpectTests

open System.Threading.Tasks
open Xunit

let private head =
    "POST / HTTP/1.1\r\nHost: conduit.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

[<Fact>]
let ``The body is asked for when the backend asks for it`` () =
    let script: Script =
        fun connection -> task {
            let! head = connection.ReadHead()
            Assert.Equal(Some "100-continue", Message.value "Expect" head.Value)
            do! connection.Send "HTTP/1.1 100 Continue\r\n\r\n"
            let! body = connection.Wire.ReadExactly 5
            do! connection.Send(Script.ok (System.Text.Encoding.Latin1.GetString body))
        }

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send head
        let! go = client.ReadHead()
        Assert.Equal(100, Message.status go)
        let! response = client.Ask "hello"
        Assert.Equal("hello", Message.text response)
    })

[<Theory>]
[<InlineData "417 Expectation Failed">]
[<InlineData "403 Forbidden">]
[<InlineData "413 Content Too Large">]
let ``A backend's refusal comes instead of the question for the body`` (status: string) =
    // A body that is small may be asked for all the same.
    let head = head.Replace("Content-Length: 5", "Content-Length: 50000")

    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            do! connection.Send $"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno"
            do! connection.Left()
        }

    Balancers.withOne script (fun backend running -> task {
        use! client = running.Connect()
        let! response = client.Ask head
        Assert.StartsWith($"HTTP/1.1 {status}", response.Start)
        Assert.Equal("no", Message.text response)
        Assert.Single backend.Requests |> ignore
    })

/// The next response that is not a 100.
let private readFinal (client: RawClient) : Task<Message> = task {
    let! first = client.ReadResponse()

    if Message.status first = 100 then
        return! client.ReadResponse()
    else
        return first
}

[<Fact>]
let ``A backend that breaks off in the middle of the body is a 502`` () =
    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            let! _ = connection.Wire.ReadExactly 2
            connection.Reset()
        }

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        // The rest of the body does not come before the answer.
        do! client.Send(head + "he")
        let! response = readFinal client
        Assert.Equal(502, Message.status response)
    })

[<Fact>]
let ``A backend that never asks gets the body all the same`` () =
    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            let! body = connection.Wire.ReadExactly 5
            do! connection.Send(Script.ok (System.Text.Encoding.Latin1.GetString body))
        }

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send(head + "hello")
        let! response = readFinal client
        Assert.Equal("hello", Message.text response)
    })

[<Fact>]
let ``A response that comes before the upload is over reaches the client`` () =
    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            do! connection.Send "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
            do! connection.Left()
        }

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 50000\r\n\r\nhello"
        let! response = client.ReadResponse()
        Assert.Equal(413, Message.status response)
        Assert.Equal("no", Message.text response)
    })

[<Fact>]
let ``Further 1xx responses do not confuse`` () =
    let script: Script =
        Script.once (fun connection _ ->
            connection.Send(
                "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
                + Script.ok "final"
            ))

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        let mutable response = Unchecked.defaultof<Message>
        let! first = client.ReadResponse()
        response <- first

        while Message.status response < 200 do
            let! next = client.ReadResponse()
            response <- next

        Assert.Equal("final", Message.text response)
    })
