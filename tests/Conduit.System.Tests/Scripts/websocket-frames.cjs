// The frames in the bytes that a socket receives, as RFC 6455 section 5.2 writes them: what `ws` puts together
// again before anybody sees it.
exports.follow = (socket) => {
  const frames = [];
  let waiting = Buffer.alloc(0);
  let skip = 0;

  const take = (data) => {
    if (skip >= data.length) {
      skip -= data.length;
      return;
    }
    waiting = Buffer.concat([waiting, data.subarray(skip)]);
    skip = 0;
    while (waiting.length >= 2) {
      const short = waiting[1] & 0x7f;
      const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
      if (waiting.length < 2 + extended) return;
      const length =
        extended === 2 ? waiting.readUInt16BE(2) : extended === 8 ? Number(waiting.readBigUInt64BE(2)) : short;
      const whole = 2 + extended + (waiting[1] & 0x80 ? 4 : 0) + length;
      frames.push({ opcode: waiting[0] & 0x0f, last: (waiting[0] & 0x80) !== 0, length });
      skip = Math.max(0, whole - waiting.length);
      waiting = waiting.subarray(Math.min(whole, waiting.length));
    }
  };

  socket.on("data", take);
  return {
    // Those since the last call.
    take: () => frames.splice(0),
  };
};
