/** An application of Nest. Its decorators are functions: no syntax is needed to use them. */
import { Controller, Get, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";

/**
 * Creates one with the routes `/fast` and `/slow`, and with providers if there are any.
 *
 * @param {object} options
 * @param {() => Promise<string>} options.slow what `/slow` is answered with
 * @param {import("@nestjs/common").Provider[]} [options.providers]
 */
export function createNest({ slow, providers = [] }) {
  class Routes {
    fast() {
      return "fast";
    }
    slow() {
      return slow();
    }
  }
  for (const name of /** @type {const} */ (["fast", "slow"])) {
    const descriptor = Object.getOwnPropertyDescriptor(Routes.prototype, name);
    Get(name)(Routes.prototype, name, /** @type {PropertyDescriptor} */ (descriptor));
  }
  Controller()(Routes);
  // oxlint-disable-next-line typescript/no-extraneous-class -- what Nest calls a module is a class
  class Root {}
  Module({ controllers: [Routes], providers })(Root);
  return NestFactory.create(Root, { logger: false });
}
