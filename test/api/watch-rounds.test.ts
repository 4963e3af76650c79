import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Watch } from '../../src/api/watch.js'
import { WatchedName } from '../../src/api/watched-name.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { WorkQueue } from '../../src/platform/work-queue.js'
import { WatchPart } from '../../src/protocol/lockkeeper.js'
import { acquire } from '../machine/commands.js'
import { HandDrivenNode, open } from '../replica/hand-driven.js'

it('a reminder of how far the others are leaves out no change that waits for the next round', async () => {
  const node = await HandDrivenNode.leading()
  node.proposals.proposeOnce([{ op: 'raise', level: FEATURE_LEVEL }])
  node.submit(open(101))
  await node.clock.turn()
  const { attachments, clock, replica } = node
  const watched = new WatchedName({ attachments, clock, replica, workQueue: new WorkQueue(clock) }, 'door')
  const parts: WatchPart[] = []
  const put = async (part: Buffer): Promise<void> => void parts.push(WatchPart.decode(part))
  const surroundings = { attachments, clock, replica, workQueue: new WorkQueue(clock) }
  const watch = new Watch(surroundings, watched, undefined, put, (error) => assert.fail(String(error)))
  await clock.turn()
  node.onApplied = ({ changes }) => {
    attachments.onChanges(changes)
    watch.told({ first: undefined, last: 0, isReminder: true })
  }
  node.submit(acquire(1))
  await clock.pass(50)
  assert.deepEqual(
    parts.flatMap(({ changes }) => changes.map(({ claim }) => claim?.token)),
    [1],
  )
  watched.stop()
})
