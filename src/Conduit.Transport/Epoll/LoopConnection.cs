using System;
using System.Collections.Generic;
using System.IO.Pipelines;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Conduit.Transport.Epoll;

/// <summary>A client's connection, as Kestrel wants to see it.</summary>
internal sealed class LoopConnection : ConnectionContext, IDuplexPipe, IConnectionLifetimeFeature, IDeliveryFeature
{
    /// <summary>A client that still sends when its connection is closed gets so long to read the last answer.</summary>
    private static readonly TimeSpan lingering = TimeSpan.FromSeconds(1);

    private static long lastId = Environment.TickCount64 << 20;

    private readonly LoopSocket socket;
    private readonly CancellationTokenSource closed = new();
    private readonly TaskCompletionSource isTold = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int isClosing;
    private bool isAborted;

    internal LoopConnection(LoopSocket socket, EndPoint? local, EndPoint? remote)
    {
        this.socket = socket;
        LocalEndPoint = local;
        RemoteEndPoint = remote;
        ConnectionId = Interlocked.Increment(ref lastId).ToString("X");
        ConnectionClosed = closed.Token;
        Input = new SocketInput(socket);
        Output = new SocketOutput(socket);
        Transport = this;
        Features.Set<IConnectionLifetimeFeature>(this);
        FileTable.CountClient(1);
        Features.Set<IDeliveryFeature>(this);
        socket.WhenPeerCloses(TellClosed);
    }

    public PipeReader Input { get; }

    public PipeWriter Output { get; }

    public override IDuplexPipe Transport { get; set; }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new ConnectionItems();

    public override CancellationToken ConnectionClosed { get; set; }

    public override EndPoint? LocalEndPoint { get; set; }

    public override EndPoint? RemoteEndPoint { get; set; }

    public long Acknowledged => socket.Acknowledged();

    public override void Abort(ConnectionAbortedException abortReason)
    {
        isAborted = true;
        socket.ResetOnClose();
        socket.Abort();
        TellClosed();
    }

    public override async ValueTask DisposeAsync()
    {
        if (isAborted || socket.IsAborted || socket.IsPeerClosed)
        {
            Close();
        }
        else
        {
            _ = LingerAsync();
        }

        TellClosed();
        await isTold.Task;
        closed.Dispose();
    }

    /// <summary>
    /// Closes the connection in order: a close with unread data would be a reset, which can overtake the
    /// answer. So the end of the answers is sent, and the rest of what the client sends is dropped.
    /// </summary>
    private async Task LingerAsync()
    {
        var rest = new byte[1024];
        using var patience = new Timer(static one => ((LoopSocket)one!).Abort(), socket, lingering, Timeout.InfiniteTimeSpan);

        try
        {
            socket.EndSending();
            // A cancellation may be left over from a read before; time ends this by an abort.
            while (await socket.ReceiveAsync(rest) != 0)
            {
            }
        }
        catch (Exception error) when (error is System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // It is closed anyway.
        }

        Close();
    }

    private void Close()
    {
        socket.Close();
        FileTable.CountClient(-1);
    }

    /// <summary>Tells all that wait for the end of the connection, on a thread of the pool.</summary>
    private void TellClosed()
    {
        if (Interlocked.Exchange(ref isClosing, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                static connection =>
                {
                    try
                    {
                        connection.closed.Cancel();
                    }
                    catch (Exception error)
                    {
                        // Thrown on a thread of the pool, it would end the process.
                        EventLoops.Report(error);
                    }
                    finally
                    {
                        connection.isTold.SetResult();
                    }
                },
                this,
                preferLocal: false);
        }
    }
}
