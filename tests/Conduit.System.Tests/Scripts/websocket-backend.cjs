// A server of WebSockets: websocket-backend.cjs PORT. A message goes back as it came; a text that begins with
// `!` asks for something else.
const { WebSocketServer } = require("ws");
const { follow } = require("./websocket-frames.cjs");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  maxPayload: 64 * 1024 * 1024,
  perMessageDeflate: false,
  handleProtocols: (offered) => [...offered].at(-1),
});

// How each connection was closed, by its name.
const closed = new Map();

server.on("connection", (socket, request) => {
  const frames = follow(request.socket);
  const pings = [];
  const pongs = [];
  socket.on("ping", (data) => pings.push(String(data)));
  socket.on("pong", (data) => pongs.push(String(data)));
  socket.on("close", (code, reason) => closed.set(request.url, [code, String(reason)]));
  socket.on("error", () => {});

  socket.on("message", (data, isBinary) => {
    const [word, ...rest] = isBinary ? [""] : String(data).split(" ");
    switch (word) {
      case "!frames":
        socket.send(JSON.stringify(frames.take()));
        break;
      case "!ping":
        socket.ping(rest[0]);
        break;
      case "!heard":
        socket.send(JSON.stringify({ pings, pongs }));
        break;
      case "!fragments":
        socket.send("one ", { fin: false });
        socket.send("two ", { fin: false });
        socket.send("three", { fin: true });
        break;
      case "!close":
        socket.close(Number(rest[0]), rest.slice(1).join(" "));
        break;
      case "!drop":
        socket.terminate();
        break;
      case "!closed":
        socket.send(JSON.stringify(closed.get(rest[0]) ?? null));
        break;
      default:
        socket.send(data, { binary: isBinary });
    }
  });
});
