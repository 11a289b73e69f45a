/** A proxy that others have written, as a child process in front of a server, with the configuration of `deploy/`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Certificate } from "./certificate.js";

/** What is replaced in a file of `deploy/`: each text is in it once. */
export type Changes = readonly (readonly [text: string, by: string])[];

/** A file of `deploy/` with what this test needs to be different. */
function configuration(file: string, changes: Changes): string {
  let text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), "utf8");
  for (const [old, by] of changes) {
    if (text.split(old).length !== 2) throw new Error(`not once in deploy/${file}: ${old}`);
    text = text.replace(old, () => by);
  }
  return text;
}

/** A folder that is gone after the test, with these files in it. */
function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "lastcall-proxy-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** The ports on 127.0.0.1 that a proxy is to accept on. */
interface Entrances {
  ports: number[];
  descriptors: number[];
  /** They are the proxy's alone from now on. */
  handOver(): void;
}

/**
 * Sockets that listen already, for the proxy to inherit: so nobody else can take their ports before it runs, and who
 * connects before it accepts waits in the queue.
 */
async function listeningSockets(count: number): Promise<Entrances> {
  const servers = Array.from({ length: count }, () => createServer().listen({ port: 0, host: "127.0.0.1" }));
  await Promise.all(servers.map((server) => once(server, "listening")));
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    // oxlint-disable-next-line no-underscore-dangle -- a descriptor can be inherited only by its number
    descriptors: servers.map((server) => (server as Server & { _handle: { fd: number } })._handle.fd),
    handOver: () => servers.forEach((server) => server.close()),
  };
}

/** Runs it until the test is over. The sockets are its descriptors 3, 4, … */
function run(program: string, args: string[], entrances: Entrances, env: Record<string, string> = {}): void {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe", ...entrances.descriptors],
    env: { PATH: process.env["PATH"], ...env },
  });
  entrances.handOver();
  let said = "";
  child.stderr!.on("data", (chunk) => (said += String(chunk)));
  const closed = once(child, "close");
  onTestFinished(async () => {
    const endedByItself = child.exitCode !== null || child.signalCode !== null;
    child.kill("SIGTERM");
    await closed;
    if (endedByItself) throw new Error(`${program} did not run to the end of the test:\n${said}`);
  });
}

const LISTEN = "bind :8080";
const BACKEND = "127.0.0.1:3000";

/** HAProxy in front of a port, in one of its modes. Returns its own port. */
export async function startHaproxy(
  mode: "tcp" | "http",
  port: number,
  changes: Changes = [],
): Promise<number> {
  const entrances = await listeningSockets(1);
  const config = configuration(`haproxy/${mode}.cfg`, [
    [LISTEN, "bind fd@3"],
    [BACKEND, `127.0.0.1:${port}`],
    ...changes,
  ]);
  const folder = folderWith({ "haproxy.cfg": config });
  run("haproxy", ["-db", "-f", join(folder, "haproxy.cfg")], entrances);
  return entrances.ports[0]!;
}

/** nginx in front of a port. Returns its own ports, in clear and behind TLS. */
export async function startNginx(
  port: number,
  { key, cert }: Certificate,
  changes: Changes = [],
): Promise<{ clear: number; tls: number }> {
  const entrances = await listeningSockets(2);
  const [clear, tls] = entrances.ports as [number, number];
  const folder = folderWith({ "key.pem": key, "cert.pem": cert });
  const site = configuration("nginx/lastcall.conf", [
    ["listen 8080;", `listen 127.0.0.1:${clear};`],
    ["listen 8443 ssl;", `listen 127.0.0.1:${tls} ssl;`],
    ["/etc/nginx/cert.pem", join(folder, "cert.pem")],
    ["/etc/nginx/key.pem", join(folder, "key.pem")],
    [BACKEND, `127.0.0.1:${port}`],
    ...changes,
  ]);
  writeFileSync(join(folder, "lastcall.conf"), site);
  writeFileSync(join(folder, "nginx.conf"), aroundSite(folder));
  // This is how nginx hands its sockets to its own successor.
  const env = { NGINX: entrances.descriptors.map((_, index) => `${3 + index};`).join("") };
  run("nginx", ["-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")], entrances, env);
  return { clear, tls };
}

/** What Debian's nginx.conf is around the files in conf.d: here it writes nothing outside of its folder. */
function aroundSite(folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((what) => `${what}_temp_path ${join(folder, what)};`)
    .join(" ");
  return `
daemon off;
worker_processes 1;
pid ${join(folder, "nginx.pid")};
error_log stderr;
events {}
http {
  access_log off;
  ${temporary}
  include ${join(folder, "lastcall.conf")};
}
`;
}
