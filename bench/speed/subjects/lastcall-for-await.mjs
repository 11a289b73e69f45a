/** lastcall, with the handler that its README begins with. */
import { startLastcall } from "../lastcall.mjs";

export default () =>
  startLastcall(async (connection) => {
    for await (const message of connection) connection.send(message);
  });
