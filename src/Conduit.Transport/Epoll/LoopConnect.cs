using System;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport.Epoll;

/// <summary>Opens connections that belong to the loop of whoever opens them.</summary>
internal static class LoopConnect
{
    /// <summary>Connects to the first address of the host that takes it.</summary>
    internal static async ValueTask<ByteChannel> ConnectAsync(string host, int port, CancellationToken cancellation)
    {
        // Here, because a name is resolved on another thread.
        var loop = EventLoops.Nearest;
        var addresses = IPAddress.TryParse(host, out var address)
            ? [address]
            : await Dns.GetHostAddressesAsync(host, cancellation);
        SocketException? failure = null;

        foreach (var each in addresses)
        {
            try
            {
                return await ConnectAsync(new IPEndPoint(each, port), loop, cancellation);
            }
            catch (SocketException error)
            {
                failure = error;
            }
        }

        throw failure ?? new SocketException((int)SocketError.HostNotFound);
    }

    private static async ValueTask<ByteChannel> ConnectAsync(
        IPEndPoint endPoint, EventLoop loop, CancellationToken cancellation)
    {
        var descriptor = Open(endPoint, out var isPending);
        Connecting? connecting = null;

        try
        {
            connecting = new Connecting(descriptor, loop);

            if (isPending)
            {
                await using (cancellation.UnsafeRegister(static one => ((Connecting)one!).Cancel(), connecting))
                {
                    await connecting.Ended;
                }

                cancellation.ThrowIfCancellationRequested();
                Check(descriptor);
            }

            connecting.Leave();
            return new LoopSocket(descriptor, loop);
        }
        catch
        {
            connecting?.Leave();
            Native.close(descriptor);
            throw;
        }
    }

    private static unsafe int Open(IPEndPoint endPoint, out bool isPending)
    {
        var family = endPoint.AddressFamily == AddressFamily.InterNetworkV6 ? 10 : 2;
        var descriptor = Native.socket(family, Native.StreamSocket | Native.CloseOnExec | Native.NonBlocking, 0);

        if (descriptor < 0)
        {
            throw Native.Failure(Marshal.GetLastPInvokeError());
        }

        if (!FileTable.IsForBackend(descriptor))
        {
            Native.close(descriptor);
            throw Native.Failure(Native.TooManyOpen);
        }

        Native.SetNoDelay(descriptor);
        var address = endPoint.Serialize();

        fixed (byte* bytes = address.Buffer.Span)
        {
            isPending = Native.connect(descriptor, bytes, address.Size) != 0;
        }

        var error = isPending ? Marshal.GetLastPInvokeError() : 0;
        if (isPending && error != Native.InProgress)
        {
            Native.close(descriptor);
            throw Native.Failure(error);
        }

        return descriptor;
    }

    private static unsafe void Check(int descriptor)
    {
        int error;
        var size = sizeof(int);

        if (Native.getsockopt(descriptor, Native.SocketLevel, Native.ErrorOption, &error, &size) != 0)
        {
            error = Marshal.GetLastPInvokeError();
        }

        if (error != 0)
        {
            throw Native.Failure(error);
        }
    }

    /// <summary>A connection that comes about: it has then room for data, or is broken.</summary>
    private sealed class Connecting : IEventSink
    {
        private readonly TaskCompletionSource ended = new();
        private readonly int descriptor;
        private readonly EventLoop loop;
        private readonly ulong token;

        internal Connecting(int descriptor, EventLoop loop)
        {
            this.descriptor = descriptor;
            this.loop = loop;
            token = loop.Register(descriptor, Native.Out | Native.EdgeTriggered, this);
        }

        internal Task Ended => ended.Task;

        /// <summary>Ends the wait on the loop, where whoever waited goes on.</summary>
        internal void Cancel() => loop.Post(this);

        internal void Leave() => loop.Unregister(descriptor, token);

        public void OnEvents(uint events) => ended.TrySetResult();
    }
}
