/** `ws`, as it comes. */
process.env["WS_NO_BUFFER_UTIL"] = "1";

const { startWs } = await import("../ws.mjs");

export default () => startWs();
