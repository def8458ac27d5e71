using System;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Conduit.Transport.Epoll;

/// <summary>
/// Accepts connections on whichever loop has time, and gives each to the loop that has the fewest. All loops
/// share one listening socket, so that none of what waits in it is lost when it closes in order.
/// </summary>
internal sealed class LoopListener : IConnectionListener, IEventSink
{
    /// <summary>So many at a time; then those that are connected come first.</summary>
    private const int MostAtOnce = 32;

    private static readonly TimeSpan pause = TimeSpan.FromMilliseconds(100);

    private readonly Socket socket;
    private readonly Action<Socket> close;
    private readonly int descriptor;
    private readonly EventLoop[] loops = EventLoops.All;
    private readonly ulong[] tokens;
    private readonly Lock gate = new();
    private readonly Channel<ConnectionContext> accepted =
        Channel.CreateUnbounded<ConnectionContext>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>So many of the loops, the first ones, wait for connections.</summary>
    private int waiting;

    private bool isUnbound;

    /// <summary>Takes a socket that listens, however it came to.</summary>
    internal LoopListener(Socket socket, Action<Socket> close)
    {
        this.socket = socket;
        this.close = close;
        socket.Blocking = false;
        descriptor = (int)socket.Handle;
        EndPoint = socket.LocalEndPoint!;
        tokens = new ulong[loops.Length];
        Wait();
    }

    public EndPoint EndPoint { get; }

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
        await accepted.Reader.WaitToReadAsync(cancellationToken) && accepted.Reader.TryRead(out var connection)
            ? connection
            : null;

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        lock (gate)
        {
            if (!isUnbound)
            {
                isUnbound = true;
                Rest();

                // The last that the loops were told of, or still wait: nobody else is told of these.
                for (var count = 0; count < LoopTransport.Backlog && TryAccept(); count++)
                {
                }

                try
                {
                    close(socket);
                }
                catch (SocketException error)
                {
                    EventLoops.Report(error);
                }
                finally
                {
                    accepted.Writer.TryComplete();
                }
            }
        }

        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync();

        while (accepted.Reader.TryRead(out var connection))
        {
            connection.Abort();
            await connection.DisposeAsync();
        }
    }

    public void OnEvents(uint events)
    {
        for (var count = 0; count < MostAtOnce; count++)
        {
            lock (gate)
            {
                if (isUnbound || waiting == 0 || !HasRoom() || !TryAccept())
                {
                    return;
                }
            }
        }
    }

    /// <summary>Whether one more client can be had; those that close make room.</summary>
    private bool HasRoom()
    {
        if (FileTable.HasRoomForClient())
        {
            return true;
        }

        FileTable.Report();
        Pause();
        return false;
    }

    /// <summary>Takes the next connection; false when there is none, or none can be taken now.</summary>
    private unsafe bool TryAccept()
    {
        var address = stackalloc byte[32];
        var size = 32;
        var client = Native.accept4(descriptor, address, &size, Native.CloseOnExec | Native.NonBlocking);

        if (client >= 0)
        {
            Welcome(client, Address(new ReadOnlySpan<byte>(address, size)));
            return true;
        }

        var error = Marshal.GetLastPInvokeError();

        if (Native.IsShortage(error))
        {
            FileTable.Report(new System.ComponentModel.Win32Exception(error).Message);
            Pause();
            return false;
        }

        // Of what else can go wrong, each concerns one connection alone, and the next may be taken.
        return error != Native.Again;
    }

    private unsafe void Welcome(int client, EndPoint? remote)
    {
        Native.SetNoDelay(client);
        var address = stackalloc byte[32];
        var size = 32;
        var local = Native.getsockname(client, address, &size) == 0
            ? Address(new ReadOnlySpan<byte>(address, size))
            : EndPoint;

        LoopSocket taken;
        try
        {
            taken = new LoopSocket(client, EventLoops.Lightest);
        }
        catch (SocketException)
        {
            Native.close(client);
            return;
        }

        accepted.Writer.TryWrite(new LoopConnection(taken, local, remote));
    }

    private EndPoint? Address(ReadOnlySpan<byte> bytes)
    {
        var family = EndPoint.AddressFamily;
        var address = new SocketAddress(family, bytes.Length);
        bytes.CopyTo(address.Buffer.Span);
        return EndPoint.Create(address);
    }

    /// <summary>Has all loops wait for connections, or none.</summary>
    private void Wait()
    {
        try
        {
            for (; waiting < loops.Length; waiting++)
            {
                tokens[waiting] = loops[waiting].Register(descriptor, Native.In | Native.Exclusive, this);
            }
        }
        catch (SocketException)
        {
            Rest();
            throw;
        }
    }

    private void Rest()
    {
        while (waiting > 0)
        {
            waiting--;
            loops[waiting].Unregister(descriptor, tokens[waiting]);
        }
    }

    /// <summary>Leaves connections waiting for a moment: the loops would be told of the same one without
    /// end.</summary>
    private void Pause()
    {
        Rest();
        _ = WaitAgainAsync();
    }

    private async Task WaitAgainAsync()
    {
        var isDone = false;

        while (!isDone)
        {
            await Task.Delay(pause);

            lock (gate)
            {
                isDone = isUnbound || TryWait();
            }
        }
    }

    private bool TryWait()
    {
        try
        {
            Wait();
            return true;
        }
        catch (SocketException error)
        {
            FileTable.Report(error.Message);
            return false;
        }
    }
}
