import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Outgoing, Write } from '../../raft/index.js'
import { LogOutline } from '../../src/log-store/outline.js'
import { DiskQueue, merge } from '../../src/replica/disk-queue.js'
import type { LogStore } from '../../src/replica/ports.js'
import { entry } from '../raft/one-node.js'

/** A disk whose writes end when the test says so. */
class HandDisk implements LogStore {
  readonly begun: Write[] = []
  #end: { resolve: () => void; reject: (error: Error) => void } | undefined

  write(write: Write): Promise<void> {
    assert.equal(this.#end, undefined, 'one write at a time')
    this.begun.push(write)
    return new Promise((resolve, reject) => {
      this.#end = { resolve, reject }
    })
  }

  async end(error?: Error): Promise<void> {
    const end = this.#end!
    this.#end = undefined
    if (error === undefined) end.resolve()
    else end.reject(error)
    await new Promise(setImmediate)
  }

  async load() {
    return { hardState: { term: 0, vote: 0 }, start: undefined, entries: [] }
  }

  async compact(): Promise<void> {}

  async close(): Promise<void> {}
}

function prepare() {
  const disk = new HandDisk()
  const told: string[] = []
  const queue = new DiskQueue(disk, {
    send: (messages) => told.push(...messages.map(({ to }) => `to ${to}`)),
    written: (id) => told.push(`written ${id}`),
    failed: (error) => told.push((error as Error).message),
  })
  const take = (): string[] => told.splice(0)
  return { disk, queue, take }
}

function write(id: number, change: Partial<Write> = {}): Write {
  return { id, hardState: undefined, truncateFrom: undefined, entries: [], ...change }
}

function message(to: number): Outgoing {
  return { to, message: { kind: 'commit', term: 1, commit: 0 } }
}

describe('the queue before the disk (faults 1, 7, 8, 27)', () => {
  it('has one write under way, and merges what comes meanwhile into the next one', async () => {
    const { disk, queue, take } = prepare()
    for (const id of [1, 2, 3]) queue.push(write(id, { entries: [entry(id, 1)] }), [])
    assert.deepEqual(
      disk.begun.map(({ id }) => id),
      [1],
    )
    await disk.end()
    assert.deepEqual(disk.begun[1], write(3, { entries: [entry(2, 1), entry(3, 1)] }))
    assert.equal(queue.busy, true)
    await disk.end()
    assert.equal(queue.busy, false)
    assert.deepEqual(take(), ['written 1', 'written 3'])
  })

  it('holds a message back until its write, and all before it, are on disk', async () => {
    const { disk, queue, take } = prepare()
    queue.push(write(1), [message(1)])
    queue.push(write(2), [message(2)])
    queue.push(write(3), [message(3)])
    assert.deepEqual(take(), [])
    await disk.end()
    assert.deepEqual(take(), ['to 1', 'written 1'])
    await disk.end()
    assert.deepEqual(take(), ['to 2', 'to 3', 'written 3'])
  })

  it('holds back a message without a write of its own as well: it may vouch for the one under way', async () => {
    const { disk, queue, take } = prepare()
    queue.push(write(1), [])
    queue.push(undefined, [message(1)])
    queue.push(write(2), [])
    queue.push(undefined, [message(2)])
    await disk.end()
    assert.deepEqual(take(), ['to 1', 'written 1'])
    await disk.end()
    assert.deepEqual(take(), ['to 2', 'written 2'])
    queue.push(undefined, [message(3)])
    assert.deepEqual(take(), ['to 3'], 'nothing to wait for')
  })

  it('sends nothing and writes nothing after a write that failed', async () => {
    const { disk, queue, take } = prepare()
    queue.push(write(1), [message(1)])
    queue.push(write(2), [message(2)])
    await disk.end(new Error('no space left'))
    queue.push(write(3), [message(3)])
    assert.deepEqual(take(), ['no space left'])
    assert.equal(disk.begun.length, 1)
  })

  it('is idle when all is on disk, or never will be', async () => {
    for (const failure of [undefined, new Error('no space left')]) {
      const { disk, queue, take } = prepare()
      await queue.idle()
      queue.push(write(1), [])
      queue.push(write(2), [])
      let isIdle = false
      void queue.idle().then(() => {
        isIdle = true
      })
      await disk.end()
      assert.equal(isIdle, false, 'the second is under way')
      await disk.end(failure)
      assert.equal(isIdle, true)
      assert.equal(take().length, 2)
      await queue.idle()
    }
  })
})

/** What is on disk: the entries, each as `index/term`, and the hard state. */
class Content {
  readonly #outline = new LogOutline({ term: 0, vote: 0 }, undefined, [])
  entries: string[] = []
  hardState: Write['hardState']

  perform(...writes: readonly Write[]): this {
    for (const next of writes) {
      this.#outline.apply(next)
      if (next.hardState !== undefined) this.hardState = next.hardState
      if (next.truncateFrom !== undefined) this.entries = this.entries.slice(0, next.truncateFrom - 1)
      for (const { index, term } of next.entries) this.entries.push(`${index}/${term}`)
    }
    return this
  }
}

/** Writes as a follower may see them: each in a later term, cutting off some of the tail and adding to it. */
const history = fc
  .array(fc.record({ cut: fc.nat(4), added: fc.nat(4), votes: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((changes) => {
    let last = 0
    return changes.map(({ cut, added, votes }, k): Write => {
      const term = k + 1
      const kept = Math.max(0, last - cut)
      const entries = Array.from({ length: added }, (_, i) => entry(kept + 1 + i, term))
      const truncateFrom = kept < last ? kept + 1 : undefined
      last = kept + added
      return { id: term, hardState: { term, vote: votes ? 1 : 0 }, truncateFrom, entries }
    })
  })

describe('merging writes', () => {
  it('does not write what the later one cuts off, and keeps the newest hard state', () => {
    const earlier = write(1, { hardState: { term: 2, vote: 1 }, entries: [entry(4, 2), entry(5, 2)] })
    const later = write(2, { truncateFrom: 5, entries: [entry(5, 3)] })
    assert.deepEqual(
      merge(earlier, later),
      write(2, { hardState: { term: 2, vote: 1 }, truncateFrom: 5, entries: [entry(4, 2), entry(5, 3)] }),
    )
    assert.deepEqual(
      merge(write(1, { hardState: { term: 2, vote: 1 } }), write(2, { hardState: { term: 3, vote: 0 } })),
      write(2, { hardState: { term: 3, vote: 0 } }),
    )
  })

  it('comes to the same as one after the other, however they are grouped', () => {
    fc.assert(
      fc.property(history, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (writes, breaks) => {
        const merged: Write[] = []
        writes.forEach((next, k) => {
          const before = merged.at(-1)
          if (before === undefined || breaks[k]) merged.push(next)
          else merged[merged.length - 1] = merge(before, next)
        })
        const apart = new Content().perform(...writes)
        const together = new Content().perform(...merged)
        assert.deepEqual(together.entries, apart.entries)
        assert.deepEqual(together.hardState, apart.hardState)
        assert.equal(merged.at(-1)!.id, writes.at(-1)!.id)
      }),
      { numRuns: 2_000 },
    )
  })
})
