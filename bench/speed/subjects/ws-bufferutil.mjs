/** `ws` with the addon in C that it takes when it is there. */
import { startWs } from "../ws.mjs";

export default () => startWs();
