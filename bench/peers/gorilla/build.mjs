/** Builds the server of this folder with Debian's Go and Debian's gorilla/websocket: nothing is loaded from elsewhere. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

export const binary = fileURLToPath(new URL("../../../.cache/peers/gorilla", import.meta.url));

/** Debian keeps the packages of Go in a GOPATH of its own, for builds without modules. */
const env = { ...process.env, GO111MODULE: "off", GOPATH: "/usr/share/gocode" };

/** Go keeps what it has compiled, so that a second call takes no time. */
export function build() {
  execFileSync("go", ["build", "-o", binary, "."], { cwd: here, env, stdio: "inherit" });
}
