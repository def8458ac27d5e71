// The interop cases: grpc-client.cjs PORT [CA]. Each writes a line that tells all that the client saw of it, so
// that two ways to a server can be compared.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http2 = require("node:http2");
const { grpc, service, options } = require("./grpc-service.cjs");

const [port, authority] = process.argv.slice(2);
const ca = authority && fs.readFileSync(authority);

const Client = grpc.makeGenericClientConstructor(service, "Interop");
const client = new Client(
  `localhost:${port}`,
  ca ? grpc.credentials.createSsl(ca) : grpc.credentials.createInsecure(),
  options,
);

const hash = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex").slice(0, 16);
const bytes = (text) => Buffer.from(text);

const metadataOf = (metadata) => {
  const shown = {};
  for (const name of ["leading", "trailing-bin", "why-bin"]) {
    const values = metadata.get(name).map((value) => (Buffer.isBuffer(value) ? value.toString("hex") : value));
    if (values.length > 0) shown[name] = values;
  }
  return shown;
};

const statusOf = ({ code, details, metadata }) => ({ code, details, ...metadataOf(metadata) });

// What comes of a call with one answer.
const unary = (name, request, { metadata = new grpc.Metadata(), deadline } = {}) =>
  new Promise((resolve) => {
    const seen = {};
    const call = client[name](request, metadata, { deadline }, (error, answer) => {
      seen.answer = answer;
    });
    call.on("metadata", (leading) => (seen.leading = metadataOf(leading)));
    call.on("status", (status) => setImmediate(() => resolve({ ...seen, status: statusOf(status) })));
  });

// What comes of a call with a stream of answers; `each` sees every one of them.
const stream = async (call, each = () => {}) => {
  const messages = [];
  call.on("data", (message) => {
    messages.push(message);
    each(message, messages.length);
  });
  call.on("error", () => {});
  const ended = new Promise((resolve) => call.on("end", resolve));
  const status = await new Promise((resolve) => call.on("status", resolve));
  // The status may be known before the last messages have been read.
  if (status.code === 0) await ended;
  return { messages, status: statusOf(status) };
};

// The server hears of a client that left a little later than the client does.
const left = async (name) => {
  for (let turn = 0; turn < 500; turn++) {
    const { answer } = await unary("Left", bytes(name));
    if (answer && answer.length > 0) return String(answer);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return "the server never heard of it";
};

const unique = () => crypto.randomUUID();

const cases = {
  async unary() {
    const metadata = new grpc.Metadata();
    metadata.set("asked", "some text");
    metadata.set("asked-bin", Buffer.from([0, 10, 13, 255]));
    const { answer, ...rest } = await unary("Echo", bytes("hello"), { metadata });
    return { answer: String(answer), ...rest };
  },
  async empty() {
    const { answer, status } = await unary("Echo", Buffer.alloc(0));
    return { length: answer.length, status };
  },
  async large() {
    const big = Buffer.alloc(16 * 1024 * 1024, "conduit");
    const { answer, status } = await unary("Echo", big);
    return { length: answer.length, same: hash(answer) === hash(big), status };
  },
  async clientStream() {
    const counted = new Promise((resolve) => {
      const call = client.Count((error, answer) => resolve({ code: error?.code ?? 0, answer: String(answer) }));
      for (let number = 0; number < 2000; number++) call.write(Buffer.alloc(number));
      call.end();
    });
    return counted;
  },
  async serverStream() {
    const { messages, status } = await stream(client.Repeat(bytes("2000 5000")));
    return { messages: messages.length, hash: hash(Buffer.concat(messages)), status };
  },
  // Nothing is sent before the answer to what was sent last is there: nothing may be held back on the way.
  async pingPong() {
    const call = client.Chat();
    const size = (number) => [1, 31415, 8, 65536, 0, 1828][number % 6];
    const { messages, status } = await (() => {
      const done = stream(call, (_, count) => (count < 60 ? call.write(Buffer.alloc(size(count))) : call.end()));
      call.write(Buffer.alloc(size(0)));
      return done;
    })();
    return { sizes: messages.map((message) => message.length), status };
  },
  // Both directions at once, with more under way than any window holds.
  async bothWays() {
    const call = client.Chat();
    const done = stream(call);
    for (let number = 0; number < 64; number++) call.write(Buffer.alloc(256 * 1024, number));
    call.end();
    const { messages, status } = await done;
    return { messages: messages.length, hash: hash(Buffer.concat(messages)), status };
  },
  // A reader that takes its time stops the writer, and loses nothing.
  async slowReader() {
    const call = client.Repeat(bytes("64 262144"));
    const done = stream(call, (_, count) => {
      if (count % 16 === 0) {
        call.pause();
        setTimeout(() => call.resume(), 50);
      }
    });
    const { messages, status } = await done;
    return { messages: messages.length, hash: hash(Buffer.concat(messages)), status };
  },
  async cancelBeforeAnswer() {
    const name = unique();
    const call = client.Wait(bytes(name));
    call.on("metadata", () => call.cancel());
    const { status } = await stream(call);
    return { status, server: await left(name) };
  },
  async cancelWithinStream() {
    const call = client.Repeat(bytes("1000000 1000"));
    const { messages, status } = await stream(call, (_, count) => count === 3 && call.cancel());
    return { some: messages.length >= 3, status };
  },
  async deadline() {
    const name = unique();
    const { status } = await stream(client.Wait(bytes(name), { deadline: Date.now() + 300 }));
    return { code: status.code, server: await left(name) };
  },
  async statuses() {
    const seen = [];
    for (let code = 1; code <= 16; code++) {
      seen.push((await unary("Fail", bytes(`${code} not this time: 100 %, \u00fc\u4e16\n`))).status);
    }
    return seen;
  },
  async unknownMethod() {
    return new Promise((resolve) => {
      client
        .makeUnaryRequest("/conduit.test.Interop/Nothing", (b) => b, (b) => b, bytes(""), () => {})
        .on("status", (status) => resolve(statusOf(status)));
    });
  },
  async failLate() {
    const { messages, status } = await stream(client.FailLate(bytes("10 half way")));
    return { messages: messages.map(String), status };
  },
  // An error without an answer is one frame of headers that ends the stream, and stays that.
  async trailersOnly() {
    const session = http2.connect(`http${ca ? "s" : ""}://localhost:${port}`, { ca });
    const request = session.request({
      ":method": "POST",
      ":path": "/conduit.test.Interop/Fail",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const text = bytes("9 no");
    request.end(Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), text]));
    return new Promise((resolve, reject) => {
      request.on("error", reject);
      request.on("response", (headers, flags) => {
        session.close();
        resolve({
          status: headers[":status"],
          type: headers["content-type"],
          code: headers["grpc-status"],
          message: headers["grpc-message"],
          ended: (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0,
        });
        request.resume();
      });
    });
  },
};

(async () => {
  for (const [name, run] of Object.entries(cases)) {
    console.log(`${name} ${JSON.stringify(await run())}`);
  }
  client.close();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
