import { ownLocks, run, withKeepers } from '../../bench/load.js'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { longestTurnMs } from '../node-watch.js'

const ROUNDS = 5
const LOAD = { workers: 256, warmUpMs: 0, measuredMs: 15_000 }

/** Kills a follower, and the leader as soon as the follower is back: the next leader depends on it. Returns its longest turn then. */
async function round(cluster: LocalCluster): Promise<{ turnMs: number; leaderMs: number }> {
  const leader = await cluster.settled()
  const follower = cluster.others(leader.id)[0]!
  await follower.kill()
  await follower.restart()
  const from = Buffer.byteLength(follower.output())
  await leader.kill()
  const killedMs = performance.now()
  await cluster.leader(cluster.others(leader.id))
  const leaderMs = performance.now() - killedMs
  await leader.restart()
  await cluster.settled()
  return { turnMs: longestTurnMs(follower, from), leaderMs }
}

export const attack: Attack = {
  summary: `${ROUNDS} times, a follower restarts with all of the log to apply, and the leader is killed`,
  checkpointMiB: 16,
  prepare: async ({ addresses }) => {
    await withKeepers(addresses, 1, (keepers) => run(LOAD, ownLocks(keepers)))
  },
  run: async (cluster) => {
    const rounds = []
    for (let k = 0; k < ROUNDS; k++) rounds.push(await round(cluster))
    const { commitIndex = 0 } = (await cluster.status(1)) ?? {}
    return {
      entries: commitIndex,
      leadersKilled: ROUNDS,
      longestTurnOnceReadyMs: Math.max(...rounds.map(({ turnMs }) => turnMs)),
      slowestLeaderMs: Math.round(Math.max(...rounds.map(({ leaderMs }) => leaderMs))),
    }
  },
}
