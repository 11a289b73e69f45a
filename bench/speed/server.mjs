/**
 * A server in a process of its own: `node server.mjs SUBJECT`. It listens when it is asked to, and says what it has
 * cost so far by the operating system's account of its process, all threads together.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { answer } from "./child.mjs";

const { default: start } = await import(`./subjects/${process.argv[2]}.mjs`);

const collections = { count: 0, milliseconds: 0 };
let lowestHeap = Infinity;
let subject;

answer({
  /** Returns the port. `frame`: bytes of a frame that comes, and the one that answers it. */
  async listen(frame) {
    subject = await start(frame);
    return subject.port;
  },

  cost() {
    const { user, system } = process.cpuUsage();
    return { cpu: user + system, at: performance.now() * 1000, resident: process.memoryUsage.rss() };
  },

  broadcast(message) {
    subject.broadcast(message);
  },

  /** Drains, and returns what that cost until the last connection was gone. */
  async drain(options) {
    const before = process.cpuUsage();
    const at = performance.now();
    const seen = await subject.drain(options);
    const { user, system } = process.cpuUsage(before);
    return { ...seen, cpu: user + system, time: (performance.now() - at) * 1000 };
  },

  watchHeap() {
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        collections.count++;
        collections.milliseconds += duration;
      }
    }).observe({ entryTypes: ["gc"] });
    setInterval(() => (lowestHeap = Math.min(lowestHeap, process.memoryUsage().heapUsed)), 20).unref();
  },

  /** The heap at its lowest since the last time, which is behind a collection, and what else grows if something does. */
  heap() {
    const { external, arrayBuffers, rss } = process.memoryUsage();
    const sample = { lowestHeap, external, arrayBuffers, rss, ...collections };
    lowestHeap = Infinity;
    return sample;
  },
});
