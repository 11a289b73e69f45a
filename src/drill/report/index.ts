/** The account of a drill for people, for a page, and for machines. */
export { timelineSvg, type TimelineOptions } from "./timeline.js";
