/**
 * From where TypeScript knows the principal's type. What `tsc` says of these lines is the test; that the values are
 * really there is looked at as well.
 */
import { once } from "node:events";
import { expect, expectTypeOf, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import {
  createServer,
  type Connection,
  type Handler,
  type RequestHead,
  type Server,
} from "../../src/index.js";

interface User {
  name: string;
}

const alice: User = { name: "Alice" };

/** What the handler of this server finds as the principal. */
async function principalOf(
  makeServer: (found: (principal: unknown) => void) => Server<User>,
): Promise<unknown> {
  let server!: Server<User>;
  const principal = new Promise((resolve) => (server = makeServer(resolve)));
  onTestFinished(async () => {
    await server.close();
  });
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(client, "open");
  client.terminate();
  return principal;
}

it("infers the principal when authenticate is a function of its own", async () => {
  async function authenticate({ headers }: RequestHead): Promise<User> {
    expectTypeOf(headers.host).toEqualTypeOf<string | string[] | undefined>();
    return alice;
  }
  const principal = await principalOf((found) =>
    createServer(
      (connection) => {
        expectTypeOf(connection.principal).toEqualTypeOf<User>();
        found(connection.principal);
      },
      { authenticate },
    ),
  );
  expect(principal).toBe(alice);
});

it("infers the principal when authenticate is written in place with its parameter annotated", async () => {
  const principal = await principalOf((found) =>
    createServer(
      (connection) => {
        expectTypeOf(connection.principal).toEqualTypeOf<User>();
        found(connection.principal);
      },
      { authenticate: (request: RequestHead) => (request.url === "/" ? alice : alice) },
    ),
  );
  expect(principal).toBe(alice);
});

it("takes the principal's type as an argument when authenticate's parameter is not annotated", async () => {
  const principal = await principalOf((found) =>
    createServer<User>(
      (connection) => {
        expectTypeOf(connection.principal).toEqualTypeOf<User>();
        found(connection.principal);
      },
      { authenticate: (request) => (request.url === "/" ? alice : alice) },
    ),
  );
  expect(principal).toBe(alice);
});

it("does not infer it from a function in place whose parameter has no annotation", () => {
  createServer(
    (connection) => {
      // TypeScript settles the handler's parameter before it looks into a function that itself waits for types.
      expectTypeOf(connection.principal).toEqualTypeOf<undefined>();
    },
    // @ts-expect-error -- so the principal is undefined, and this function does not fit
    { authenticate: (request) => (request.url === "/" ? alice : alice) },
  );
});

it("is undefined without authenticate", () => {
  const server = createServer((connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<undefined>();
  });
  expectTypeOf(server).toEqualTypeOf<Server>();
  expectTypeOf<Handler<User>>().parameter(0).toEqualTypeOf<Connection<User>>();
});
