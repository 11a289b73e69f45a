/** docs/house.svg shows the rooms as they are. */
import { expect, it } from "vitest";
import { drawHouse, readHouse } from "../../scripts/house.mjs";
import { readPage } from "./pages.js";

const files = readHouse();

it("is the picture that was drawn of the code: npm run house draws it again", () => {
  expect(readPage("docs/house.svg")).toBe(drawHouse(files));
});

it("has a floor for every room", () => {
  const rooms = new Set(files.map(({ room }) => room));
  for (const room of rooms) expect(drawHouse(files)).toContain(`>${room}/</text>`);
});
