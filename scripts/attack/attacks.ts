import type { Attack } from './attack.js'
import { attack as idle } from './attacks/idle.js'

/** By the name under which each is called. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  idle,
}
