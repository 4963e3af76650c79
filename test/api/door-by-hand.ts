import { Door } from '../../src/api/door.js'
import { Directory } from '../../src/membership/directory.js'
import { Membership } from '../../src/membership/membership.js'
import { createLogger } from '../../src/platform/logger.js'
import { WorkQueue } from '../../src/platform/work-queue.js'
import type { HandDrivenNode } from '../replica/hand-driven.js'

/** The door of a node that the test moves by hand; with `budgetMs` 0 each turn does one step of its work. */
export function doorOf(node: HandDrivenNode, budgetMs?: number): Door {
  const { id, replica, proposals, attachments, reserves, clock } = node
  const connected = () => new Set<number>()
  const directory = new Directory(id, [], replica)
  directory.refresh()
  const membership = new Membership({ self: id, replica, proposals, directory, connected })
  const parts = { clusterId: 'test', nodeId: id, version: '0', directory, membership, replica, proposals }
  return new Door({
    ...parts,
    attachments,
    reserves,
    clock,
    workQueue: new WorkQueue(clock, budgetMs),
    connected,
    logger: createLogger('silent', {}),
  })
}
