/**
 * From where TypeScript knows the principal's type. What `tsc` says of these lines is the test; that the values are
 * really there is looked at as well.
 */
import { once } from "node:events";
import { expect, expectTypeOf, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import {
  createServer,
  each,
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
    expectTypeOf(headers.host).toEqualTypeOf<string | undefined>();
    return alice;
  }
  const principal = await principalOf((found) =>
    createServer({ authenticate }, (connection) => {
      expectTypeOf(connection.principal).toEqualTypeOf<User>();
      found(connection.principal);
    }),
  );
  expect(principal).toBe(alice);
});

it("infers the principal when authenticate is written in place with its parameter annotated", async () => {
  const principal = await principalOf((found) =>
    createServer(
      { authenticate: (request: RequestHead) => (request.url === "/" ? alice : alice) },
      (connection) => {
        expectTypeOf(connection.principal).toEqualTypeOf<User>();
        found(connection.principal);
      },
    ),
  );
  expect(principal).toBe(alice);
});

it("infers the principal when authenticate is written in place without an annotation", async () => {
  const principal = await principalOf((found) =>
    createServer({ authenticate: async (request) => (request.url === "/" ? alice : alice) }, (connection) => {
      expectTypeOf(connection.principal).toEqualTypeOf<User>();
      found(connection.principal);
    }),
  );
  expect(principal).toBe(alice);
});

it("takes the principal's type as an argument", async () => {
  const principal = await principalOf((found) =>
    createServer<User>({ authenticate: (request) => (request.url === "/" ? alice : alice) }, (connection) => {
      expectTypeOf(connection.principal).toEqualTypeOf<User>();
      found(connection.principal);
    }),
  );
  expect(principal).toBe(alice);
});

it("is inferred without what refuses: a look-up that finds nobody returns undefined", () => {
  const users = new Map([["alice", alice]]);
  createServer({ authenticate: ({ url }) => users.get(url) }, (connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<User>();
  });
  createServer({ authenticate: async ({ url }) => users.get(url) ?? null }, (connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<User>();
  });
  createServer({ authenticate: async ({ url }) => url === "/" && alice }, (connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<User>();
  });
});

it("is inferred without the empty token that a look-up never gets to see", () => {
  const users = new Map([["alice", alice]]);
  const tokenOf = ({ url }: RequestHead) => new URL(url, "ws://host").searchParams.get("token");
  createServer(
    {
      authenticate: (request) => {
        const token = tokenOf(request);
        return token && users.get(token);
      },
    },
    (connection) => {
      expectTypeOf(connection.principal).toEqualTypeOf<User>();
    },
  );
});

it("is a string for the subject of a certificate that was verified", () => {
  createServer(
    { authenticate: (_request, { tls }) => tls?.authorized && tls.certificate?.subject },
    (connection) => {
      expectTypeOf(connection.principal).toEqualTypeOf<string>();
    },
  );
});

it("is true when authenticate only says yes or no", () => {
  createServer({ authenticate: ({ url }) => url === "/" }, (connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<true>();
  });
  createServer({ authenticate: async ({ url }) => url === "/" }, (connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<true>();
  });
});

it("is undefined without authenticate", () => {
  const server = createServer((connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<undefined>();
  });
  expectTypeOf(server).toEqualTypeOf<Server<undefined>>();
  expectTypeOf<Handler<User>>().parameter(0).toEqualTypeOf<Connection<User>>();
});

it("may be any where a connection, a server or a handler is only used", () => {
  const nameOf = (connection: Connection): string => connection.id;
  const members = new Set<Connection>();
  const stop = (server: Server) => server.close();
  const echo = each((message) => message);
  const handler: Handler = async (connection) => {
    members.add(connection);
    for await (const message of connection) connection.send(message);
  };
  for (const serve of [echo, handler]) void stop(createServer({ authenticate: () => alice }, serve));
  const server = createServer({ authenticate: () => alice }, (connection) => {
    expectTypeOf(connection.principal).toEqualTypeOf<User>();
    members.add(connection);
    return nameOf(connection);
  });
  void stop(server);
  const one = [...server.connections][0];
  expectTypeOf(one).toEqualTypeOf<Connection<User> | undefined>();
  expect(members.size).toBe(0);
});

it("is known in a function for each message", () => {
  createServer(
    { authenticate: () => alice },
    each((_message, connection) => {
      expectTypeOf(connection.principal).toEqualTypeOf<User>();
    }),
  );
  createServer(each((_message, connection) => void expectTypeOf(connection.principal).toBeUnknown()));
});
