/**
 * Programs that npm does not bring. A suite that needs one says `describe.skipIf(!hasChromium)`; `npm test` installs
 * them where it can, says visibly what is skipped where it cannot, and fails with CI=true.
 */
import { programs } from "../../scripts/debian.mjs";

/** A Python that can import `websockets`, or undefined. */
export const python = programs.pythonWebsockets.find();

/** A Chromium to run headless, or undefined. */
export const chromium = programs.chromium.find();

export const hasOpenssl = programs.openssl.find() !== undefined;
export const hasPythonWebsockets = python !== undefined;
export const hasChromium = chromium !== undefined;
export const hasHaproxy = programs.haproxy.find() !== undefined;
export const hasNginx = programs.nginx.find() !== undefined;
