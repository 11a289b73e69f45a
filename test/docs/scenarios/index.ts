/** All scenarios: each snippet of the documentation has one. */
import { clients } from "./clients.js";
import { beginning } from "./getting-started.js";
import { others } from "./pages.js";
import { recipes } from "./recipes.js";
import type { Scenario } from "./scenario.js";
import { testing } from "./testing.js";

export const scenarios: readonly Scenario[] = [...beginning, ...recipes, ...testing, ...clients, ...others];
