using System;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport;

/// <summary>A channel over .NET's own sockets, on every system.</summary>
internal sealed class SocketChannel(Socket socket) : ByteChannel
{
    internal static async ValueTask<ByteChannel> ConnectAsync(string host, int port, CancellationToken cancellation) =>
        new SocketChannel(await BackendSocket.ConnectAsync(host, port, cancellation));

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => socket.ReceiveAsync(buffer, SocketFlags.None);

    public override ValueTask<int> SendAsync(ReadOnlyMemory<byte> data) => socket.SendAsync(data, SocketFlags.None);

    public override bool IsStale()
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            return true;
        }
    }

    public override void Abort() => socket.Dispose();

    public override void Close() => socket.Dispose();
}
