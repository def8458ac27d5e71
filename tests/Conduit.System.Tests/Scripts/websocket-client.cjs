// What WebSockets must bring through: websocket-client.cjs URL [CA]. Each case writes a line that tells all that
// the client saw of it, so that two ways to a server can be compared.
const crypto = require("node:crypto");
const fs = require("node:fs");
const WebSocket = require("ws");
const { follow } = require("./websocket-frames.cjs");

const [url, authority] = process.argv.slice(2);
const options = { ca: authority && fs.readFileSync(authority), perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 };

const open = (path = "/", protocols = []) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url + path, protocols, options);
    let frames;
    socket.on("upgrade", (response) => (frames = follow(response.socket)));
    socket.on("error", reject);
    socket.on("open", () => resolve(Object.assign(socket, { frames })));
  });

const next = (socket, event = "message") =>
  new Promise((resolve) => socket.once(event, (...values) => resolve(values)));

const ask = async (socket, text) => {
  const answer = next(socket);
  socket.send(text);
  return String((await answer)[0]);
};

const end = (socket) => {
  const closed = next(socket, "close");
  socket.close();
  return closed;
};

// The name of a connection by which another one can ask how it ended.
const unique = () => `/${crypto.randomUUID()}`;

// The server hears of an end a little after the client does.
const endOf = async (path) => {
  const socket = await open();
  for (let turn = 0; turn < 500; turn++) {
    const told = JSON.parse(await ask(socket, `!closed ${path}`));
    if (told) {
      await end(socket);
      return told;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return "the server never heard of it";
};

const sizes = [1, 125, 126, 127, 4096, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 1 << 24];

const cases = {
  async echo() {
    const socket = await open();
    const seen = [];
    for (const size of sizes) {
      const sent = crypto.randomBytes(size);
      const answer = next(socket);
      socket.send(sent);
      const [data, isBinary] = await answer;
      seen.push([data.length, isBinary, sent.equals(data)]);
    }
    await end(socket);
    return seen;
  },
  async manyAtOnce() {
    const socket = await open();
    const answers = [];
    const all = new Promise((resolve) =>
      socket.on("message", (data) => answers.push(String(data)) === 1000 && resolve()),
    );
    for (let number = 0; number < 1000; number++) socket.send(`message ${number}`);
    await all;
    await end(socket);
    return answers.every((text, number) => text === `message ${number}`);
  },
  async subprotocol() {
    const socket = await open("/", ["first", "second"]);
    await end(socket);
    return socket.protocol;
  },
  async fragmentsSent() {
    const socket = await open();
    const answer = next(socket);
    socket.send(Buffer.alloc(70000, 1), { fin: false });
    socket.send(Buffer.alloc(0), { fin: false });
    socket.send(Buffer.alloc(3, 2), { fin: true });
    const [data] = await answer;
    const frames = JSON.parse(await ask(socket, "!frames"));
    await end(socket);
    return { length: data.length, frames };
  },
  async fragmentsReceived() {
    const socket = await open();
    const text = await ask(socket, "!fragments");
    const frames = socket.frames.take();
    await end(socket);
    return { text, frames };
  },
  async pings() {
    const socket = await open();
    const answered = next(socket, "pong");
    socket.ping("from the client");
    const [pong] = await answered;
    const asked = next(socket, "ping");
    socket.send("!ping from-the-server");
    const [ping] = await asked;
    const heard = JSON.parse(await ask(socket, "!heard"));
    await end(socket);
    return { pong: String(pong), ping: String(ping), heard };
  },
  async closedByClient() {
    const seen = [];
    for (const [code, reason] of [[1000, ""], [1001, "away"], [3000, "ü".repeat(61)], [4321, "why not"]]) {
      const path = unique();
      const socket = await open(path);
      const closed = next(socket, "close");
      socket.close(code, reason);
      const [back, echoed] = await closed;
      seen.push({ server: await endOf(path), client: [back, String(echoed)] });
    }
    return seen;
  },
  async closedWithoutCode() {
    const path = unique();
    const socket = await open(path);
    const [code] = await end(socket);
    return { server: await endOf(path), client: code };
  },
  async closedByServer() {
    const seen = [];
    for (const [code, reason] of [[1000, "done"], [1011, "a defect"], [4000, ""], [4999, "the last"]]) {
      const socket = await open();
      const closed = next(socket, "close");
      socket.send(`!close ${code} ${reason}`);
      const [told, why] = await closed;
      seen.push([told, String(why)]);
    }
    return seen;
  },
  // A connection that breaks has no code: each side must see that, and not hang.
  async droppedByServer() {
    const socket = await open();
    const closed = next(socket, "close");
    socket.send("!drop");
    return (await closed)[0];
  },
  async droppedByClient() {
    const path = unique();
    const socket = await open(path);
    socket.terminate();
    return await endOf(path);
  },
};

(async () => {
  for (const [name, run] of Object.entries(cases)) {
    console.log(`${name} ${JSON.stringify(await run())}`);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
