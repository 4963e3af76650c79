import { join } from 'node:path'
import { formatDuration } from '../../src/cli/durations.js'
import type { LocalCluster } from '../cluster/local-cluster.js'
import type { AccountDeeds } from './account.js'
import { Actor } from './actor.js'
import { list, type Stage } from './stage.js'
import type { WorkerDeeds } from './worker.js'

/** Everybody who plays. */
export interface Cast {
  readonly cluster: LocalCluster
  readonly account: Actor<AccountDeeds>
  readonly ada: Actor<WorkerDeeds>
  readonly ben: Actor<WorkerDeeds>
  readonly cleo: Actor<WorkerDeeds>
}

/** Of each worker's session. */
const TTL_MS = 3_000

/** Introduces everybody. The nodes of `cluster` stay when `play` is over; all other processes end with it. */
export async function withCast(
  stage: Stage,
  cluster: LocalCluster,
  play: (cast: Cast) => Promise<void>,
): Promise<void> {
  stage.scene('A cluster of three nodes')
  await stage.within('three nodes are ready', () => Promise.all(cluster.nodes.map((node) => node.start())))
  const leader = await stage.within('they elect a leader', () => cluster.leader())
  stage.tell(
    `Three nodes run on this machine, each a process (pids ${list(cluster.nodes.map(({ pid }) => pid))}) with its own ` +
      `disk directory. They have elected node ${leader.id} their leader.`,
  )

  const file = join(cluster.directory, 'account.jsonl')
  await using account = new Actor<AccountDeeds>('the account', new URL('./account.js', import.meta.url), [
    file,
  ])
  const url = await stage.within('the account opens', () => account.ask('open'))
  const [opening] = await stage.within('the account tells its balance', () => account.ask('history'))
  stage.tell(
    `A bank account with ${opening?.balance} in it is kept in a file by a process of its own (pid ${account.pid}). ` +
      'It accepts no write whose fencing token is smaller than the greatest it has seen.',
  )

  const engage = (name: string): Actor<WorkerDeeds> => {
    const args = [cluster.addresses, name, String(TTL_MS), url]
    return new Actor(name, new URL('./worker.js', import.meta.url), args)
  }
  await using ada = engage('Ada')
  await using ben = engage('Ben')
  await using cleo = engage('Cleo')
  const workers = [ada, ben, cleo]
  await stage.within('the workers open a session each', () =>
    Promise.all(workers.map((worker) => worker.ask('session'))),
  )
  stage.tell(
    `Ada, Ben and Cleo are workers (pids ${list(workers.map(({ pid }) => pid))}), each with a session on the cluster, ` +
      `whose TTL is ${formatDuration(TTL_MS)}.`,
  )
  await play({ cluster, account, ada, ben, cleo })
}
