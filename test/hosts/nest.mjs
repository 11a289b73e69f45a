/** An application of Nest. Its decorators are functions: no syntax is needed to use them. */
import { Controller, Get, Module, Res } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";

/**
 * Creates one with the routes `/fast`, `/slow` and `/events`, and with providers if there are any.
 *
 * @param {object} options
 * @param {() => Promise<string>} options.slow what `/slow` is answered with
 * @param {import("./adapters.mjs").Extras["stream"]} [options.stream] answers `/events`
 * @param {import("@nestjs/common").Provider[]} [options.providers]
 */
export function createNest({ slow, stream, providers = [] }) {
  class Routes {
    fast() {
      return "fast";
    }
    slow() {
      return slow();
    }
    /** @param {import("node:http").ServerResponse} response */
    events(response) {
      stream?.(response);
    }
  }
  for (const name of /** @type {const} */ (["fast", "slow", "events"])) {
    const descriptor = Object.getOwnPropertyDescriptor(Routes.prototype, name);
    Get(name)(Routes.prototype, name, /** @type {PropertyDescriptor} */ (descriptor));
  }
  Res()(Routes.prototype, "events", 0);
  Controller()(Routes);
  // oxlint-disable-next-line typescript/no-extraneous-class -- what Nest calls a module is a class
  class Root {}
  Module({ controllers: [Routes], providers })(Root);
  return NestFactory.create(Root, { logger: false });
}
