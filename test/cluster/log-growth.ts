import type { NodeProcess } from '../../scripts/cluster/node-process.js'
import type { Keeper } from '../../src/client/index.js'
import { within } from './eventually.js'

/** As small as it can be set, so that the log is cut while a test can wait for it. */
export const SMALL = { checkpointMiB: 1 }
/** More than what the log reaches back then, about ten checkpoints. */
export const MIB_BEYOND = 12

/** Each cycle puts at least this into the log. */
export const LABEL = 'x'.repeat(250)
const WORKERS = 200
const GROWN_MS = 120_000

/** Locks taken and released by many workers at once, until the log has grown by about so much. */
export async function churn(keeper: Keeper, mib: number): Promise<void> {
  let left = Math.ceil((mib * 1024 * 1024) / LABEL.length)
  const work = async (worker: number): Promise<void> => {
    while (left-- > 0) await (await keeper.lock(`churn/${worker}`, { label: LABEL })).release()
  }
  await within(
    'the log grows',
    GROWN_MS,
    Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker))),
  )
}

/** How often this node was given a snapshot in the place of its log. */
export function snapshots(node: NodeProcess): number {
  return node.output().split('caught up by a snapshot').length - 1
}
