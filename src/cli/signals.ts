/** What people and init systems send to say "end now". */
const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
export type EndSignal = (typeof END_SIGNALS)[number]

/** Calls `handle` for each such signal instead of dying of it, until the returned function is called. */
export function onEndSignal(handle: (signal: EndSignal) => void): () => void {
  for (const signal of END_SIGNALS) process.on(signal, handle)
  return () => {
    for (const signal of END_SIGNALS) process.off(signal, handle)
  }
}

/** Ctrl-Z would stop us but not the command, whose lock would then run out: `explain` instead, until undone. */
export function refuseSuspension(explain: () => void): () => void {
  process.on('SIGTSTP', explain)
  return () => process.off('SIGTSTP', explain)
}
