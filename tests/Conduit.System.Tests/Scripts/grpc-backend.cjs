// A gRPC server: grpc-backend.cjs PORT [CERTIFICATE KEY]
const fs = require("node:fs");
const { grpc, service, options } = require("./grpc-service.cjs");

const [port, certificate, key] = process.argv.slice(2);

// How each call of `Wait` has ended, by its name.
const ended = new Map();

const status = (text) => {
  const [code, ...details] = text.split(" ");
  const metadata = new grpc.Metadata();
  metadata.set("why-bin", Buffer.from([0, 1, 254, 255]));
  return { code: Number(code), details: details.join(" "), metadata };
};

const handlers = {
  Echo(call, answer) {
    const sent = call.metadata.clone();
    const leading = new grpc.Metadata();
    const trailing = new grpc.Metadata();
    leading.set("leading", String(sent.get("asked")[0] ?? ""));
    trailing.set("trailing-bin", sent.get("asked-bin")[0] ?? Buffer.alloc(0));
    call.sendMetadata(leading);
    answer(null, call.request, trailing);
  },
  Count(call, answer) {
    let messages = 0;
    let bytes = 0;
    call.on("data", (message) => {
      messages += 1;
      bytes += message.length;
    });
    call.on("end", () => answer(null, Buffer.from(`${messages} ${bytes}`)));
  },
  async Repeat(call) {
    const [count, size] = String(call.request).split(" ").map(Number);
    for (let number = 0; number < count; number++) {
      if (!call.write(Buffer.alloc(size, number % 251))) {
        await new Promise((resolve) => call.once("drain", resolve));
      }
    }
    call.end();
  },
  Chat(call) {
    call.on("data", (message) => call.write(message));
    call.on("end", () => call.end());
  },
  Wait(call) {
    const name = String(call.request);
    call.sendMetadata(new grpc.Metadata());
    call.on("cancelled", () =>
      ended.set(name, `cancelled, ${Number.isFinite(+call.getDeadline()) ? "with" : "without"} a deadline`),
    );
  },
  Left(call, answer) {
    answer(null, Buffer.from(ended.get(String(call.request)) ?? ""));
  },
  Fail(call, answer) {
    answer(status(String(call.request)));
  },
  FailLate(call) {
    call.write(Buffer.from("one"));
    call.write(Buffer.from("two"));
    call.emit("error", status(String(call.request)));
  },
};

const server = new grpc.Server(options);
server.addService(service, handlers);

const credentials = certificate
  ? grpc.ServerCredentials.createSsl(null, [
      { cert_chain: fs.readFileSync(certificate), private_key: fs.readFileSync(key) },
    ])
  : grpc.ServerCredentials.createInsecure();

server.bindAsync(`127.0.0.1:${port}`, credentials, (error) => {
  if (error) throw error;
});
