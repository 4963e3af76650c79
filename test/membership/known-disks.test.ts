import assert from 'node:assert/strict'
import { it } from 'node:test'
import { KnownDisks } from '../../src/membership/known-disks.js'
import { MemoryDisk } from '../suites/memory-disk.js'

it('the disk of a peer is the one that the log has, or else the one that it was first met on, by every process (fault 17)', async () => {
  const syncs: (() => void)[] = []
  const disk = new MemoryDisk({ sync: (done) => syncs.push(done), random: () => 0.9 })
  const logged = new Map([[1, 11]])
  const known = new KnownDisks(logged, disk.open().identity)
  assert.deepEqual([known.meet(1, 12), known.get(1)], [undefined, 11])
  const met = known.meet(2, 22)
  assert.equal(known.get(2), 22)
  assert.equal(known.meet(2, 22), met, 'it is not written down yet')
  for (const done of syncs.splice(0)) done()
  await met
  assert.equal(known.meet(2, 22), undefined)
  disk.crash()

  const later = new KnownDisks(logged, disk.open().identity)
  assert.deepEqual([later.meet(2, 23), later.get(2)], [undefined, 22])
  logged.set(2, 23)
  assert.equal(later.get(2), 23)
  // Of a version that does not say.
  assert.deepEqual([later.meet(3, 0), later.get(3)], [undefined, undefined])
})
