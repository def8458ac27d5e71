using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport;

/// <summary>Connections to backends over .NET's own sockets.</summary>
public static class BackendSocket
{
    /// <summary>Connects, unless the process has too few descriptors left: that is a
    /// <see cref="SocketException"/> like any other failure.</summary>
    public static async ValueTask<Socket> ConnectAsync(string host, int port, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

        try
        {
            if (!FileTable.IsForBackend(socket.Handle))
            {
                throw new SocketException((int)SocketError.TooManyOpenSockets);
            }

            await socket.ConnectAsync(host.Trim('[', ']'), port, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
