import { test } from "vitest";
import { worldOf } from "./world.js";
test("x", () => {
  const [seed, name] = process.env["SHOW"]!.split(" ");
  console.log(
    JSON.stringify(
      worldOf(Number(seed)).clients.find((c) => c.name === name),
      (k, v) => (typeof v === "string" && v.length > 400 ? v.slice(0, 300) + "…" + v.length : v),
      1,
    ),
  );
});
