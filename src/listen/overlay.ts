/** Members that an object has for a while only. */

/** Lays these members over an object, whatever it inherits. Returns what takes them off again. */
export function overlay<Target extends object>(
  target: Target,
  members: Partial<Record<keyof Target, unknown>>,
): () => void {
  const names = Object.keys(members) as (keyof Target)[];
  const own = names.map((name) => [name, Object.getOwnPropertyDescriptor(target, name)] as const);
  for (const name of names) Object.defineProperty(target, name, { value: members[name], configurable: true });
  return () => {
    for (const [name, descriptor] of own) {
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
    }
  };
}
