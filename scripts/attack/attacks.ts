import type { Attack } from './attack.js'
import { attack as crowdedWatch } from './attacks/crowded-watch.js'
import { attack as flood } from './attacks/flood.js'
import { attack as idle } from './attacks/idle.js'
import { attack as largeResults } from './attacks/large-results.js'
import { attack as leaderKilled } from './attacks/leader-killed.js'
import { attack as locksWithoutEnd } from './attacks/locks-without-end.js'
import { attack as pageFlood } from './attacks/page-flood.js'
import { attack as restarts } from './attacks/restarts.js'

/** By the name under which each is called. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  idle,
  'leader-killed': leaderKilled,
  flood,
  'locks-without-end': locksWithoutEnd,
  restarts,
  'large-results': largeResults,
  'page-flood': pageFlood,
  'crowded-watch': crowdedWatch,
}
