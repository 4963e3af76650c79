import { setTimeout as sleep } from 'node:timers/promises'
import type { Attack } from '../attack.js'

const ATTACK_MS = 10_000

/** What there is to compare with. */
export const attack: Attack = {
  summary: 'nothing is done: what well-behaved clients feel without an attack',
  run: async () => {
    await sleep(ATTACK_MS)
    return {}
  },
}
