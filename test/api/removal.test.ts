import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Door } from '../../src/api/door.js'
import type { DoorParts } from '../../src/api/door-parts.js'
import { systemClock } from '../../src/platform/clock.js'
import { WorkQueue } from '../../src/platform/work-queue.js'

it('answers who has just had this node removed, before it sends everybody away', async () => {
  const directory = { isMember: true }
  const workQueue = new WorkQueue(systemClock)
  const door = new Door({ clock: systemClock, directory, nodeId: 1, workQueue } as unknown as DoorParts)
  const refused: string[] = []
  const leave = door.enter(() => refused.push('removal'))
  const sentAway = new Promise<void>((resolve) => {
    door.enter(() => {
      refused.push('another')
      resolve()
    })
  })
  await new Promise<void>((resolve) => {
    // As when Raft has stepped: the answer takes promises.
    systemClock.soon(() => {
      directory.isMember = false
      door.onMembers()
      void Promise.resolve().then(leave).then(resolve)
    })
  })
  await sentAway
  assert.deepEqual(refused, ['another'])
})
