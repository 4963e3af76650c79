import type { Attack } from './attack.js'
import { attack as crowdedWatch } from './attacks/crowded-watch.js'
import { attack as flood } from './attacks/flood.js'
import { attack as halfSent } from './attacks/half-sent.js'
import { attack as idle } from './attacks/idle.js'
import { attack as largeResults } from './attacks/large-results.js'
import { attack as largeSessions } from './attacks/large-sessions.js'
import { attack as leaderKilled } from './attacks/leader-killed.js'
import { attack as locksWithoutEnd } from './attacks/locks-without-end.js'
import { attack as manyCalls } from './attacks/many-calls.js'
import { attack as pageFlood } from './attacks/page-flood.js'
import { attack as peerFrames } from './attacks/peer-frames.js'
import { attack as restarts } from './attacks/restarts.js'
import { attack as silentConnections } from './attacks/silent-connections.js'
import { attack as smallFrames } from './attacks/small-frames.js'
import { attack as unreadReplies } from './attacks/unread-replies.js'

/** By the name under which each is called. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  idle,
  'silent-connections': silentConnections,
  'half-sent': halfSent,
  'unread-replies': unreadReplies,
  'many-calls': manyCalls,
  'small-frames': smallFrames,
  'peer-frames': peerFrames,
  'leader-killed': leaderKilled,
  flood,
  'locks-without-end': locksWithoutEnd,
  restarts,
  'large-results': largeResults,
  'large-sessions': largeSessions,
  'page-flood': pageFlood,
  'crowded-watch': crowdedWatch,
}
