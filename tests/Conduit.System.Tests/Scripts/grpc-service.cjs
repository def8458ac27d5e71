// The service of the gRPC tests, as both ends know it. Messages are plain bytes: what is under test is how
// they travel.
const grpc = require("@grpc/grpc-js");

const asIs = (bytes) => bytes;

const method = (name, requestStream, responseStream) => ({
  path: `/conduit.test.Interop/${name}`,
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});

exports.service = {
  // The same bytes and metadata back.
  Echo: method("Echo", false, false),
  // How many messages came, and of how many bytes in all.
  Count: method("Count", true, false),
  // So many messages of so many bytes: `COUNT SIZE`.
  Repeat: method("Repeat", false, true),
  // Each message back as it comes.
  Chat: method("Chat", true, true),
  // Nothing, until the client leaves; it has a name by which `Left` knows it.
  Wait: method("Wait", false, true),
  // Why the call of that name has ended, once it has, and whether it had a deadline.
  Left: method("Left", false, false),
  // The status `CODE DETAILS` at once.
  Fail: method("Fail", false, false),
  // Two messages, then the status.
  FailLate: method("FailLate", false, true),
};

// Messages may have any size, as in the interop cases.
exports.options = {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
};

exports.grpc = grpc;
