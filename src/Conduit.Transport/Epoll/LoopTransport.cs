using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Conduit.Transport.Epoll;

/// <summary>The loops as the transport beneath Kestrel.</summary>
/// <param name="bind">Gives the listening socket for an endpoint, bound: a new one, or one that was
/// inherited.</param>
/// <param name="close">Closes a listening socket that no loop waits for any more.</param>
public sealed class LoopTransport(Func<EndPoint, Socket> bind, Action<Socket> close) : IConnectionListenerFactory
{
    internal const int Backlog = 4096;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        Socket socket;
        try
        {
            socket = bind(endpoint);
            socket.Listen(Backlog);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(error.Message, error);
        }

        try
        {
            return new ValueTask<IConnectionListener>(new LoopListener(socket, close));
        }
        catch (SocketException)
        {
            close(socket);
            throw;
        }
    }
}
