using System;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;

namespace Conduit.Transport;

/// <summary>
/// An exchange without a request body, the rule among requests, from the choice of a connection to its
/// release. One object serves one client connection's requests after another, and waits without
/// allocating. What it is about is said by whoever derives from it.
/// </summary>
public abstract class Conversation<TResult>
{
    /// <summary>Whether the request is a HEAD, so that no body follows.</summary>
    protected abstract bool IsHead { get; }

    /// <summary>An idle connection, or null.</summary>
    protected abstract BackendConnection? TryTake();

    /// <summary>A new connection.</summary>
    protected abstract ValueTask<BackendConnection> ConnectAsync();

    /// <summary>Writes the request's head into the connection.</summary>
    protected abstract void Begin(BackendConnection connection);

    /// <summary>Relays the response whose head has been read.</summary>
    protected abstract Task AnswerAsync(BackendConnection connection);

    /// <summary>
    /// Releases the connection, if there is one, and gives what became of the exchange; false to go through
    /// it once more. <paramref name="error"/> is what ended it early, or null.
    /// </summary>
    protected abstract bool End(BackendConnection? connection, Exception? error, out TResult result);

    /// <summary>Throws nothing but what <see cref="End"/> throws.</summary>
    [AsyncMethodBuilder(typeof(KeptMethodBuilder<>))]
    protected async ValueTask<TResult> RunAsync()
    {
        while (true)
        {
            BackendConnection? connection = null;
            Exception? error = null;

            try
            {
                connection = TryTake() ?? await ConnectAsync();
                Begin(connection);
                await connection.SendHeadAsync();
                await connection.ReadHeadAsync(IsHead);
                await AnswerAsync(connection);
            }
            catch (Exception caught)
            {
                error = caught;
            }

            if (End(connection, error, out var result))
            {
                return result;
            }
        }
    }
}
