/** The account of a drill for people, for a page, and for machines. */
export { htmlReport } from "./html.js";
export { junitReport } from "./junit.js";
export { timelineSvg } from "./timeline.js";
