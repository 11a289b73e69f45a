/** `ws` with `bufferutil`, and with its socket corked by hand for each tick in which a message comes: its best case. */
import { startWs } from "../ws.mjs";

export default () =>
  startWs((client, { socket }) => {
    let isCorked = false;
    client.on("message", () => {
      if (isCorked) return;
      isCorked = true;
      socket.cork();
      process.nextTick(() => {
        isCorked = false;
        socket.uncork();
      });
    });
  });
