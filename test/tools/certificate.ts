/** A certificate for tests of TLS, signed by itself. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  key: string;
  cert: string;
}

/** Makes a key and a certificate for localhost with the `openssl` command; no file is left. */
export function selfSignedCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), "lastcall-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const asked =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  try {
    execFileSync("openssl", [...asked.split(" "), "-keyout", key, "-out", cert], { stdio: "pipe" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
