/** One test for each case of the conformance table. `npm run conformance` writes what they show to docs/conformance.md. */
import { describe, test } from "vitest";
import { describeExpectation } from "./case.js";
import { groups } from "./groups/index.js";
import { run } from "./run.js";

for (const group of groups) {
  describe(`Group ${group.title}`, () => {
    for (const conformanceCase of group.cases) {
      const { number, section, sentence, own = false } = conformanceCase;
      test(`${number} ${sentence}`, async ({ task }) => {
        const expected = describeExpectation(conformanceCase);
        Object.assign(task.meta, { conformance: { number, section, sentence, expected, own } });
        await run(conformanceCase);
      });
    }
  });
}
