/**
 * uWebSockets.js, stopped as its documentation does. Its example GracefulShutdown.js closes the listen socket;
 * connections stay. Its authors' advice in its issues is to keep a list of the sockets and to end each.
 */
import uWS from "@trufflesuite/uws-js-unofficial";
import { wayOf } from "../work.mjs";
import { listen } from "./app.mjs";

const server = listen({});

const stop = wayOf({
  us_listen_socket_close() {
    // stop: us_listen_socket_close
    uWS.us_listen_socket_close(server.listenSocket);
    // end of stop
  },
  end() {
    // stop: end
    uWS.us_listen_socket_close(server.listenSocket);
    for (const ws of server.clients) ws.end(1001);
    // end of stop
  },
});
process.once("SIGTERM", stop);
