/** Bun.serve, stopped as its documentation does it. The first argument says which way. */
import { host, port, wayOf, work } from "../work.mjs";

const server = Bun.serve({
  hostname: host,
  port,
  fetch(request, self) {
    if (self.upgrade(request)) return undefined;
    return new Response("Upgrade Required", { status: 426 });
  },
  websocket: {
    async message(socket, message) {
      socket.send(await work(String(message)));
    },
  },
});

const stops = {
  "server.stop": () => {
    // stop: server.stop
    server.stop();
    // end of stop
  },
  "server.stop(true)": () => {
    // stop: server.stop(true)
    server.stop(true);
    // end of stop
  },
};

process.once("SIGTERM", wayOf(stops));
