/**
 * `npm run conformance`: plays the cases in test/interop/conformance against the server and writes the table
 * docs/conformance.md. Exits with 1 when a case failed, and the table says which.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const RESULTS = ".cache/conformance.json";
const PAGE = "docs/conformance.md";

/**
 * @typedef {object} CaseMeta
 * @property {string} number
 * @property {string} section
 * @property {string} sentence
 * @property {string} expected
 * @property {boolean} own
 */

/** @typedef {CaseMeta & { group: string, passed: boolean }} CaseResult */

/** @returns {CaseResult[]} */
function play() {
  rmSync(RESULTS, { force: true });
  mkdirSync(".cache", { recursive: true });
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "test/interop/conformance/conformance.test.ts"];
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${RESULTS}`];
  spawnSync(process.execPath, [...vitest, ...reporters], { stdio: "inherit" });
  const { testResults } = JSON.parse(readFileSync(RESULTS, "utf8"));
  return testResults
    .flatMap((/** @type {{ assertionResults: unknown[] }} */ file) => file.assertionResults)
    .map(
      (
        /** @type {{ meta: { conformance: CaseMeta }, ancestorTitles: string[], status: string }} */ test,
      ) => ({
        ...test.meta.conformance,
        group: test.ancestorTitles.at(-1),
        passed: test.status === "passed",
      }),
    );
}

/** @param {readonly CaseResult[]} cases */
function page(cases) {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const passed = cases.filter((each) => each.passed).length;
  const own = cases.filter((each) => each.own).length;
  const lines = [
    "# Conformance",
    "",
    "*For whoever wants to know what RFC 6455 asks of a server, and how this one answers, case by case.*",
    "",
    `**${passed} of ${cases.length} cases passed** on ${new Date().toISOString().slice(0, 10)}, with lastcall ` +
      `${version} on Node ${process.versions.node}, ${process.platform} ${process.arch}.`,
    "",
    "Written by `npm run conformance`; do not edit. `npm test` plays the same cases, and fails when this page does " +
      "not list exactly them.",
    "",
    "Each case is played against a server made by `createServer`, whose handler echoes, over a TCP socket, by a client " +
      "that writes its frames bit by bit. Compared are all answers in their order, the Close code, that nothing " +
      "follows Close, and that the socket ends by the server's FIN and not by a reset.",
    "",
    "Numbers are those of the Autobahn test suite, groups 1 to 7, 9, 10, 12 and 13, so that results can be laid side by " +
      `side. The ${own} cases marked with + are ours. Group 12 is played with two kinds of data where the Autobahn test ` +
      "suite has five, groups 12 and 13 with fewer messages, and with windows of 9 bits where that has 8. Their sections are those of RFC 7692.",
    "",
    ...choices,
    ...keptSection("autobahn"),
    ...keptSection("http"),
  ];
  let group;
  for (const each of cases) {
    if (each.group !== group) {
      group = each.group;
      lines.push(
        "",
        `## ${group}`,
        "",
        `| | ${group.startsWith("Group 12") || group.startsWith("Group 13") ? "RFC 7692" : "RFC 6455"} | What is sent | Expected | |`,
        "|---|---|---|---|---|",
      );
    }
    const number = `${each.number}${each.own ? " +" : ""}`;
    lines.push(
      `| ${number} | ${each.section} | ${each.sentence} | ${each.expected} | ${each.passed ? "passed" : "**FAILED**"} |`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/**
 * What others have written into the page: `npm run autobahn`, and whoever changes test/listen/http-musts.ts.
 *
 * @param {string} name
 */
function keptSection(name) {
  const [section] =
    new RegExp(`<!-- ${name} -->[^]*?<!-- /${name} -->`).exec(readFileSync(PAGE, "utf8")) ?? [];
  return section === undefined ? [] : ["", section];
}

const choices = [
  "## Where RFC 6455 leaves a choice",
  "",
  "- **Lengths in a longer form than they need are accepted** (1.3.1, 1.3.2), as other servers do. §5.2 asks senders " +
    "for the shortest form and does not say what a receiver does with another. A control frame has only the short form " +
    "(1.3.4).",
  "- **A 64-bit length with its top bit set is a protocol error**, 1002 (1.3.3), and not a message too big: §5.2 " +
    "says that the bit must be 0.",
  "- **Text that comes in pieces is checked piece by piece** (6.4): what nothing behind it could make UTF-8 is refused " +
    "with the fragment, or the packet, that it is in. A compressed message is checked when it is whole, since it is " +
    "inflated then.",
  "- **What came before a violation is served before the connection is failed** (3.2 to 3.4, 4.1.3 to 4.2.5, 5.15, " +
    "6.24.4, 9.10.5), and so is what came before the peer's Close (7.1.1, 7.1.6): its replies precede our Close frame. " +
    "The Autobahn test suite accepts both orders in most of these cases.",
  "- **The answer to Close repeats its code, without the reason** (7.7); a Close without a code is answered by one " +
    "without (7.3.1).",
  "- **Codes 1012 to 1014 are accepted** (7.7.14 to 7.7.16): they were registered after the RFC. Every other code " +
    "below 3000 that is not registered, and every code above 4999, is a protocol error (7.9, 7.13).",
  "- **Too many fragments are refused with 1008**, policy violation, and too many bytes with 1009 (9.10). The sizes of " +
    "group 9 are above the defaults of `maxPayload` and `maxFragments`; its first four parts raise both.",
];

const cases = play();
writeFileSync(PAGE, page(cases));
const failed = cases.filter((each) => !each.passed).length;
console.log(`${PAGE}: ${cases.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 && cases.length > 0 ? 0 : 1);
