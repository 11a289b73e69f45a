/** lastcall, with a function that returns the reply to a message. */
import { each } from "../../../dist/index.js";
import { startLastcall } from "../lastcall.mjs";

export default () => startLastcall(each((message) => message));
