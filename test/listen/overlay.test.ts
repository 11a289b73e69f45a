import { expect, test } from "vitest";
import { overlay } from "../../src/listen/overlay.js";

class Door {
  get open(): boolean {
    return true;
  }

  knock(): string {
    return "come in";
  }
}

test("members lie over what an object inherits or has itself, and are gone when they are taken off", () => {
  const door: Door & { name?: string } = Object.assign(new Door(), { name: "front" });
  const before = Object.getOwnPropertyDescriptors(door);
  const undo = overlay(door, { open: false, knock: () => "nobody", name: "none" });
  expect([door.open, door.knock(), door.name]).toEqual([false, "nobody", "none"]);
  undo();
  expect([door.open, door.knock(), door.name]).toEqual([true, "come in", "front"]);
  expect(Object.getOwnPropertyDescriptors(door)).toEqual(before);
});
