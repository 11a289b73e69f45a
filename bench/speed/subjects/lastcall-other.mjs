/** Another build of lastcall, the one in `LASTCALL_OTHER`: what a change did to the speed. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { startLastcall } from "../lastcall.mjs";

const { createServer } = await import(pathToFileURL(resolve(process.env.LASTCALL_OTHER, "index.js")).href);

export default () =>
  startLastcall(async (connection) => {
    for await (const message of connection) connection.send(message);
  }, createServer);
