/**
 * WebSockets over TLS, and a plain answer for whoever comes with HTTPS. A key and a certificate to try it with:
 *
 *   openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem
 *   node examples/https.mjs --port 8443 --key key.pem --cert cert.pem
 */
import { readFileSync } from "node:fs";
import { createServer as createHttpsServer } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createServer } from "lastcall";
import { terminationSignals } from "lastcall/process";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8443" }, // 0: any free one
    key: { type: "string", default: "key.pem" },
    cert: { type: "string", default: "cert.pem" },
    work: { type: "string", default: "100" }, // ms for each message
  },
});

const server = createServer({ onError: (error) => console.error(error) }, async (connection) => {
  for await (const message of connection) {
    await sleep(Number(values.work));
    connection.send(`done: ${message}`);
  }
});

const https = createHttpsServer(
  { key: readFileSync(values.key), cert: readFileSync(values.cert) },
  (_request, response) => response.end("Connect with a WebSocket.\n"),
);

const signals = terminationSignals();
const address = await server.listen(https.listen(Number(values.port), "127.0.0.1"));
const { port } = /** @type {import("node:net").AddressInfo} */ (address);
console.log(`Listening on wss://127.0.0.1:${port}`);

const report = await server.run({ signals });
console.log(String(report));
