import type { Clock } from '../client/index.js'
import type { ProcessGroup } from './process-group.js'

const LOOK_EVERY_MS = 20

/** TERM now, KILL to whatever is left after `graceMs`. Resolves when nothing is left, or KILL was sent. */
export async function endGroup(group: ProcessGroup, graceMs: number, clock: Clock): Promise<void> {
  const killAtMs = clock.nowMs() + graceMs
  group.signal('SIGTERM')
  while (group.isAlive()) {
    const leftMs = killAtMs - clock.nowMs()
    if (leftMs <= 0) return group.signal('SIGKILL')
    await new Promise<void>((resolve) => clock.after(Math.min(leftMs, LOOK_EVERY_MS), resolve))
  }
}
