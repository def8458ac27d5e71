using System;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;

namespace Conduit.Transport;

/// <summary>
/// Builds async methods that wait without allocating: what a method keeps while it waits is kept on the thread
/// where it ends, for the next that waits there. The runtime's own pooling builder keeps one for each
/// thread; on a loop as many wait at once as there are requests.
/// </summary>
/// <remarks>The result may be awaited once, as with any <see cref="ValueTask"/>.</remarks>
public struct KeptMethodBuilder<TResult>
{
    private KeptMethod<TResult>? waiting;
    private Exception? fault;
    private TResult result;

    public static KeptMethodBuilder<TResult> Create() => default;

    public readonly ValueTask<TResult> Task =>
        waiting is not null ? new ValueTask<TResult>(waiting, waiting.Version)
        : fault is not null ? ValueTask.FromException<TResult>(fault)
        : new ValueTask<TResult>(result);

    /// <summary>The same without the result.</summary>
    internal readonly ValueTask Untyped =>
        waiting is not null ? new ValueTask(waiting, waiting.Version)
        : fault is not null ? ValueTask.FromException(fault)
        : default;

    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => machine.MoveNext();

    public readonly void SetStateMachine(IAsyncStateMachine machine)
    {
    }

    public void SetResult(TResult value)
    {
        if (waiting is null)
        {
            result = value;
        }
        else
        {
            waiting.SetResult(value);
        }
    }

    public void SetException(Exception error)
    {
        if (waiting is null)
        {
            fault = error;
        }
        else
        {
            waiting.SetException(error);
        }
    }

    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.OnCompleted(Wait(ref machine));

    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Wait(ref machine));

    private Action Wait<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine
    {
        if (waiting is null)
        {
            var kept = KeptMethod<TResult, TMachine>.Take();
            // First: this builder is a part of the machine that is copied then.
            waiting = kept;
            kept.Machine = machine;
        }

        waiting.Context = ExecutionContext.Capture();
        return waiting.Continuation;
    }
}

/// <summary>The same for methods without a result.</summary>
public struct KeptMethodBuilder
{
    private KeptMethodBuilder<bool> inner;

    public static KeptMethodBuilder Create() => default;

    public readonly ValueTask Task => inner.Untyped;

    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => machine.MoveNext();

    public readonly void SetStateMachine(IAsyncStateMachine machine)
    {
    }

    public void SetResult() => inner.SetResult(true);

    public void SetException(Exception error) => inner.SetException(error);

    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => inner.AwaitOnCompleted(ref awaiter, ref machine);

    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => inner.AwaitUnsafeOnCompleted(ref awaiter, ref machine);
}

/// <summary>A method that waits.</summary>
internal abstract class KeptMethod<TResult> : IValueTaskSource<TResult>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<TResult> source;

    internal abstract Action Continuation { get; }

    internal ExecutionContext? Context { get; set; }

    internal short Version => source.Version;

    public ValueTaskSourceStatus GetStatus(short token) => source.GetStatus(token);

    public void OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);

    public TResult GetResult(short token)
    {
        // Throws for a token of before and for a method that still waits; neither may end this wait.
        var isOver = token == source.Version && source.GetStatus(token) != ValueTaskSourceStatus.Pending;

        try
        {
            return source.GetResult(token);
        }
        finally
        {
            if (isOver)
            {
                source.Reset();
                Context = null;
                Keep();
            }
        }
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    internal void SetResult(TResult result) => source.SetResult(result);

    internal void SetException(Exception error) => source.SetException(error);

    private protected abstract void Keep();
}

internal sealed class KeptMethod<TResult, TMachine> : KeptMethod<TResult>
    where TMachine : IAsyncStateMachine
{
    /// <summary>A thread keeps no more than these.</summary>
    private const int Most = 1024;

    private static readonly ContextCallback moveNext = static kept => ((KeptMethod<TResult, TMachine>)kept!).machine.MoveNext();

    [ThreadStatic]
    private static KeptMethod<TResult, TMachine>? kept;

    private readonly Action continuation;
    private KeptMethod<TResult, TMachine>? next;
    private int depth;
    private TMachine machine = default!;

    private KeptMethod() => continuation = Continue;

    internal TMachine Machine
    {
        set => machine = value;
    }

    internal override Action Continuation => continuation;

    internal static KeptMethod<TResult, TMachine> Take()
    {
        if (kept is not { } taken)
        {
            return new KeptMethod<TResult, TMachine>();
        }

        kept = taken.next;
        taken.next = null;
        return taken;
    }

    private void Continue()
    {
        if (Context is { } context)
        {
            ExecutionContext.Run(context, moveNext, this);
        }
        else
        {
            machine.MoveNext();
        }
    }

    private protected override void Keep()
    {
        // What it refers to is not kept with it.
        machine = default!;
        depth = kept is { } top ? top.depth + 1 : 1;

        if (depth <= Most)
        {
            next = kept;
            kept = this;
        }
    }
}
