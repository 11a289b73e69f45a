/** Plays a story on real sockets, and writes down what its observer sees: the wire, and the handlers' own log. */
import { once } from "node:events";
import { createServer as createTlsServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { createServer, type DrainReport, type Server } from "../../src/index.js";
import { terminationSignals } from "../../src/process/index.js";
import { selfSignedCertificate, type Certificate } from "../tools/certificate.js";
import { ms, work } from "../tools/timing.js";
import { handlerOf, type HandlerLog } from "./handlers.js";
import { StoryPeer } from "./peers.js";
import type { Story } from "./story.js";

/** What a handler had done at some moment. */
interface Done {
  started: number;
  finished: number;
  refused: number;
  settled: boolean;
}

/** What the observer has seen. */
export interface Observed {
  story: Story;
  report: DrainReport;
  /** What each further call of `shutdown()` and `close()` resolved with. */
  furtherReports: DrainReport[];
  /** Milliseconds from the first call until it settled, and from `close()` if that was called. */
  took: number;
  tookFromClose: number | undefined;
  peers: StoryPeer[];
  logs: Map<number, HandlerLog>;
  /** By peer: what its handler had done when the server was told to stop, and when it said that it was down. */
  atStop: Map<number, Done>;
  atEnd: Map<number, Done>;
  /** By peer: whether the server had said by the stop that it had read all of its messages. */
  readAtStop: Map<number, boolean>;
  /** Connections at the stop, and when all was over. */
  connectionsAtStop: number;
  connectionsLeft: number;
  /** What reached `onError`. */
  errors: unknown[];
  /** The longest time in ms for which the event loop, ours and the peers', has stood still. */
  stoodStill: number;
}

/** How long a story waits for what it would like to see before the stop. */
const PATIENCE = ms(300);
/** How long peers get to see their end, once the server is down. */
const AFTERMATH = ms(100);

let certificate: Certificate | undefined;

export async function play(story: Story): Promise<Observed> {
  const loop = watchLoop();
  const logs = new Map<number, HandlerLog>();
  const errors: unknown[] = [];
  const server = createServer(
    {
      ...story.options,
      compression: story.compression && { threshold: 100 },
      drain: story.drain,
      onError: (error) => errors.push(error),
    },
    handlerOf(story.handler, logs),
  );
  const port = story.tls
    ? (await server.listen(await tlsServer())).port
    : (await server.listen({ port: 0, host: "127.0.0.1" })).port;
  const target = story.tls ? ({ port, tls: true } as const) : port;
  const peers = story.peers.map((plan, number) => new StoryPeer(plan, number, target, story.compression));
  await Promise.all(peers.map((peer) => peer.begin()));

  const isReady = (): boolean =>
    story.stopWhen === "all are read"
      ? peers.every((peer) => peer.isLate || peer.provenToBeRead)
      : [...logs.values()].some(({ started }) => started.length > 0);
  await until(isReady, PATIENCE);

  const snapshot = (): Map<number, Done> =>
    new Map(
      [...logs].map(([number, { started, finished, refused, settled }]) => [
        number,
        { started: started.length, finished, refused, settled },
      ]),
    );
  let atStop = snapshot();
  let connectionsAtStop = 0;
  let readAtStop = new Map<number, boolean>();
  let began = 0;
  const onStop = (): void => {
    atStop = snapshot();
    connectionsAtStop = server.connections.size;
    readAtStop = new Map(peers.map((peer, number) => [number, peer.provenToBeRead]));
    began = performance.now();
  };
  const furtherReports: Promise<DrainReport>[] = [];
  let closedAt: number | undefined;
  const first = stop(server, story.signal, onStop);
  const timers = story.interventions.map((intervention) =>
    setTimeout(() => {
      if (intervention.call !== "shutdown") closedAt ??= performance.now();
      if (intervention.call === "signal") process.kill(process.pid, story.signal);
      else if (intervention.call === "close") furtherReports.push(server.close());
      else furtherReports.push(server.shutdown(intervention.options));
    }, intervention.after),
  );
  const goingOn = Promise.all(peers.map((peer) => peer.goOn()));
  const report = await first;
  const ended = performance.now();
  const atEnd = snapshot();
  timers.forEach(clearTimeout);
  await goingOn;
  const areGone = (): boolean => peers.every(({ client }) => client === undefined || client.gone);
  // What does not end by itself is ended here: it never answers, or it never reads.
  await until(areGone, AFTERMATH);
  for (const { client } of peers) client?.destroy();
  await until(areGone, PATIENCE);

  return {
    story,
    report,
    furtherReports: await Promise.all(furtherReports),
    took: ended - began,
    tookFromClose: closedAt === undefined ? undefined : ended - closedAt,
    peers,
    logs,
    atStop,
    atEnd,
    readAtStop,
    connectionsAtStop,
    connectionsLeft: server.connections.size,
    errors,
    stoodStill: loop.stop(),
  };
}

/** Stops the server, by a call or by a signal that the process sends itself; looks around in the very moment. */
function stop(server: Server, signal: NodeJS.Signals | undefined, onStop: () => void): Promise<DrainReport> {
  if (signal === undefined) {
    onStop();
    return server.shutdown();
  }
  const signals = terminationSignals({ signals: [signal] });
  // Before `run` listens to it, and so before the shutdown.
  signals.shutdown.addEventListener("abort", onStop);
  const running = server.run({ signals });
  process.kill(process.pid, signal);
  return running;
}

function watchLoop(): { stop(): number } {
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  return {
    stop() {
      clearInterval(timer);
      return longest;
    },
  };
}

/** Waits for what should be, up to a limit. */
async function until(condition: () => boolean, limit: number): Promise<void> {
  const over = performance.now() + limit;
  while (!condition() && performance.now() < over) await work(2);
}

async function tlsServer() {
  certificate ??= selfSignedCertificate();
  const server = createTlsServer(certificate);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server as typeof server & { address(): AddressInfo };
}
