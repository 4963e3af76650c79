import { join } from 'node:path'
import { LockkeeperError } from '../client/errors.js'
import { Operator } from '../client/operator.js'
import { DisownedError } from '../membership/identification.js'
import { renewNodeDisk, SET_ASIDE } from '../node-disk/index.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import { nextLife, numberOf } from '../platform/member-id.js'
import { DamagedLogError, DamagedRecordsError } from '../replica/ports.js'

/** The node has lost what it promised, or some of it: it is not the member it was, and must not vote as that. */
export function hasLostPromises(error: unknown): boolean {
  return (
    error instanceof DamagedLogError || error instanceof DamagedRecordsError || error instanceof DisownedError
  )
}

/** Whom a node can be made anew from; nobody, if its file names no other. */
export function othersOf({ id, nodes }: NodeConfig): string[] {
  return nodes.filter((node) => node.id !== id).map(({ client }) => client)
}

/**
 * Puts an empty disk in place of this node's, of its next life as the members tell it. Waits for a leader: without one
 * nothing is touched. Rejects if the node is no member any more, or of another cluster.
 */
export async function beginNewLife(config: NodeConfig, logger: Logger, signal: AbortSignal): Promise<void> {
  const { id, clusterId, data } = config
  using operator = new Operator(othersOf(config))
  const seen = await untilLed(operator, logger, signal)
  if (seen.clusterId === '') throw new Error('the leader runs a version without repair: upgrade it first')
  if (seen.clusterId !== clusterId) {
    throw new Error(`its file says cluster '${clusterId}', and the nodes in it are of '${seen.clusterId}'`)
  }
  const lives = seen.members.filter((member) => numberOf(member.id) === id).sort((a, b) => a.id - b.id)
  const last = lives.at(-1)
  if (last === undefined) {
    throw new Error(
      `node ${id} is no member any more: see "lockkeeper members", and add it as a new node, with a new number`,
    )
  }
  const member = nextLife(last.id)
  signal.throwIfAborted()
  await renewNodeDisk(data, { clusterId, nodeId: member, votes: last.voter })
  logger.warn({ member, kept: join(data, SET_ASIDE) }, 'the node begins anew, empty, as another member')
}

async function untilLed(
  operator: Operator,
  logger: Logger,
  signal: AbortSignal,
): ReturnType<Operator['members']> {
  for (;;) {
    try {
      return await operator.members()
    } catch (error) {
      if (!(error instanceof LockkeeperError)) throw error
      signal.throwIfAborted()
      logger.warn(
        { reason: error.message },
        'waiting for the others to have a leader, to be made anew from them',
      )
    }
  }
}
