module Conduit.Server.Tests.DeadlinesTests

open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit.Server

/// Notes when it was told the time.
[<Sealed>]
type private Noting(told: int64 -> unit) =
    interface IExpiring with
        member val Place = 0 with get, set
        member _.Expire now = told now

/// Deadlines under a clock that the test sets, and the times that one exchange was told.
let private under (test: (int64 -> unit) -> (unit -> int64 list) -> unit) =
    let now = ref 1000L
    let told = ResizeArray<int64>()
    use deadlines = new Deadlines((fun () -> now.Value), failwithf "%O")
    deadlines.Watch(Noting told.Add)

    let look at =
        now.Value <- at
        deadlines.Look()

    test look (fun () -> List.ofSeq told)

[<Fact>]
let ``Each look tells the time`` () =
    under (fun look told ->
        look 1050L
        look 1100L
        Assert.Equal<int64 list>([ 1050L; 1100L ], told ()))

[<Fact>]
let ``The first look after a standstill ends nothing, the second does, however late it comes`` () =
    under (fun look told ->
        look 1050L
        look 5000L
        Assert.Equal<int64 list>([ 1050L ], told ())
        look 9000L
        Assert.Equal<int64 list>([ 1050L; 9000L ], told ())
        // The next standstill is another one.
        look 15000L
        look 15050L
        Assert.Equal<int64 list>([ 1050L; 9000L; 15050L ], told ()))

[<Fact>]
let ``A look that begins while another is under way does nothing`` () = task {
    let begun = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    use go = new ManualResetEventSlim()
    let told = ref 0
    use deadlines = new Deadlines((fun () -> 0L), failwithf "%O")

    let slow =
        Noting(fun _ ->
            begun.TrySetResult() |> ignore
            go.Wait Eventually.patience |> ignore)

    deadlines.Watch slow
    deadlines.Watch(Noting(fun _ -> Interlocked.Increment &told.contents |> ignore))
    let first = Task.Run deadlines.Look
    do! begun.Task.WaitAsync Eventually.patience
    do! (Task.Run deadlines.Look).WaitAsync Eventually.patience
    Assert.Equal(0, told.Value)
    go.Set()
    do! first.WaitAsync Eventually.patience
    Assert.Equal(1, told.Value)
}

[<Fact>]
let ``What is thrown where one ends is told, and the others end all the same`` () =
    let failures = ResizeArray<exn>()
    let told = ResizeArray<int64>()
    use deadlines = new Deadlines((fun () -> 1000L), failures.Add)
    deadlines.Watch(Noting(fun _ -> failwith "on purpose"))
    deadlines.Watch(Noting told.Add)
    deadlines.Look()
    deadlines.Look()
    Assert.Equal<int64 list>([ 1000L; 1000L ], List.ofSeq told)
    Assert.Equal(2, failures.Count)
