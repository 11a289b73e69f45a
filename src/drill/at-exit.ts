/** What must not outlive this process, however it ends. Only SIGKILL leaves it behind. */
const cleanups = new Set<() => void>();

function cleanUp(): void {
  for (const each of cleanups) each();
}

/** Calls back when this process exits, unless the function that is returned is called first. */
export function atExit(cleanup: () => void): () => void {
  if (cleanups.size === 0) process.on("exit", cleanUp);
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
    if (cleanups.size === 0) process.off("exit", cleanUp);
  };
}
