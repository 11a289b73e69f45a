/**
 * What the tests use that npm does not bring: other people's clients, proxies, and what makes certificates. Each is
 * looked for in Debian's place first.
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/**
 * @typedef {object} Program
 * @property {string} what what it is used for, in the words of the line that says it is missing
 * @property {string} debianPackage
 * @property {() => string | undefined} find the path of the program, or undefined when it is not here
 */

/**
 * The first of these commands that runs and ends well with these arguments.
 *
 * @param {string[]} commands
 * @param {string[]} args
 */
function firstThatRuns(commands, args) {
  return commands.find((command) => spawnSync(command, args, { stdio: "ignore" }).status === 0);
}

/** @satisfies {Record<string, Program>} */
export const programs = {
  pythonWebsockets: {
    what: "a Python with the websockets package",
    debianPackage: "python3-websockets",
    // Debian's own Python first: the package belongs to it, not to another one that may come first on the PATH.
    find: () => firstThatRuns(["/usr/bin/python3", "python3"], ["-c", "import websockets"]),
  },
  chromium: {
    what: "Chromium",
    debianPackage: "chromium",
    find: () =>
      firstThatRuns(["/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome"], ["--version"]),
  },
  openssl: {
    what: "openssl, for certificates",
    debianPackage: "openssl",
    find: () => firstThatRuns(["openssl"], ["version"]),
  },
  haproxy: {
    what: "HAProxy",
    debianPackage: "haproxy",
    find: () => firstThatRuns(["/usr/sbin/haproxy", "haproxy"], ["-v"]),
  },
  nginx: {
    what: "nginx",
    debianPackage: "nginx",
    find: () => firstThatRuns(["/usr/sbin/nginx", "nginx"], ["-v"]),
  },
};

/**
 * Looks for all of them; installs what is missing where that is ours to do (root on Debian); says what is skipped
 * where it is not. Returns the Debian packages that are still missing.
 */
export function provide() {
  let missing = Object.values(programs).filter((program) => program.find() === undefined);
  if (missing.length > 0 && process.getuid?.() === 0 && firstThatRuns(["apt-get"], ["--version"])) {
    install(missing.map((program) => program.debianPackage));
    missing = missing.filter((program) => program.find() === undefined);
  }
  const packages = missing.map((program) => program.debianPackage);
  for (const { what } of missing) console.error(`SKIPPED: the tests that need ${what}, which is not here.`);
  if (missing.length > 0)
    console.error(`On Debian or Ubuntu: sudo apt-get install --no-install-recommends ${packages.join(" ")}`);
  return packages;
}

/** Asked by Debian before it starts a service. */
const POLICY = "/usr/sbin/policy-rc.d";

/** @param {string[]} packages */
function install(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // The tests start proxies of their own. Where services run, Debian would start one that stays.
  const isOurs = !existsSync(POLICY);
  if (isOurs) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", ...packages]]) {
    console.error(`apt-get ${args.join(" ")}`);
    spawnSync("apt-get", ["--quiet", "--quiet", ...args], { stdio: ["ignore", "inherit", "inherit"], env });
  }
  if (isOurs) rmSync(POLICY);
}
