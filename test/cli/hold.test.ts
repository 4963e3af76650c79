import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { EXIT } from '../../src/cli/exit-codes.js'
import { graceMs, lostMarginMs, whileHeld } from '../../src/cli/hold.js'
import type { ProcessGroup } from '../../src/cli/process-group.js'
import { Lease } from '../../src/client/lease.js'
import { FakeClock } from './fake-clock.js'

const TTL_MS = 10_000
const GRACE_MS = graceMs(TTL_MS)

/** A group that notes what it is sent, and when. */
class StubbornGroup implements ProcessGroup {
  readonly id = 1
  readonly sent: string[] = []
  readonly exited: Promise<number>
  readonly outputEnded = Promise.resolve()
  exit!: (code: number) => void
  alive = true
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
    this.exited = new Promise((resolve) => {
      this.exit = resolve
    })
  }

  isAlive(): boolean {
    return this.alive
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.alive) return
    this.sent.push(`${signal} at ${Math.round(this.#clock.nowMs())}`)
    if (signal !== 'SIGKILL') return
    this.alive = false
    this.exit(137)
  }
}

/** A lock that was renewed now, as the client sees it. */
class Handle {
  readonly #clock: FakeClock
  readonly #lease: Lease
  readonly #aborter = new AbortController()
  readonly signal = this.#aborter.signal

  constructor(clock: FakeClock) {
    this.#clock = clock
    this.#lease = new Lease(clock.nowMs(), TTL_MS, lostMarginMs(TTL_MS))
    clock.after(this.expiresInMs, () => this.lose())
  }

  get expiresInMs(): number {
    return this.signal.aborted ? 0 : Math.max(0, this.#lease.deadlineMs - this.#clock.nowMs())
  }

  lose(): void {
    this.#aborter.abort()
  }
}

function hold() {
  const clock = new FakeClock()
  const group = new StubbornGroup(clock)
  const handle = new Handle(clock)
  const done = whileHeld(group, handle, GRACE_MS, clock)
  return { clock, group, lose: () => handle.lose(), done }
}

describe('a command that ends by itself', () => {
  it('has its exit code passed on', async () => {
    const { clock, group, done } = hold()
    await clock.run(1_000)
    group.alive = false
    group.exit(3)
    assert.equal(await done, 3)
    assert.deepEqual(group.sent, [])
  })

  it('leaves nothing running behind: the lock is kept until the rest of its group is gone', async () => {
    const { clock, group, done } = hold()
    let released = false
    void done.then(() => (released = true))
    group.exit(0)
    await clock.run(GRACE_MS - 1)
    assert.deepEqual(group.sent, ['SIGTERM at 0'])
    assert.equal(released, false)
    await clock.run(1)
    assert.deepEqual(group.sent, ['SIGTERM at 0', `SIGKILL at ${GRACE_MS}`])
    assert.equal(await done, 0)
  })
})

describe('a command whose lock is lost', () => {
  it('gets TERM at once, and KILL when it does not go', async () => {
    const { clock, group, lose, done } = hold()
    await clock.run(1_000)
    lose()
    await clock.run(GRACE_MS)
    assert.deepEqual(group.sent[0], 'SIGTERM at 1000')
    assert.match(group.sent[1]!, /^SIGKILL/)
    assert.equal(await done, EXIT.lost)
  })

  it('is not killed if it goes when told, and the loss is reported whatever code it ends with', async () => {
    const { clock, group, lose, done } = hold()
    lose()
    await clock.run(100)
    group.alive = false
    group.exit(0)
    await clock.run(100)
    assert.equal(await done, EXIT.lost)
    assert.deepEqual(group.sent, ['SIGTERM at 0'])
  })

  it('is killed although its first process went, if others of the group stay', async () => {
    const { clock, group, lose, done } = hold()
    lose()
    group.exit(0)
    await clock.run(GRACE_MS)
    assert.match(group.sent.at(-1)!, /^SIGKILL/)
    assert.equal(await done, EXIT.lost)
  })

  it('is ended before the cluster can grant to another, if renewals are no longer answered', async () => {
    const { clock, group, done } = hold()
    await clock.run(TTL_MS - 1)
    assert.deepEqual(group.sent, ['SIGTERM at 8000', `SIGKILL at ${8000 + GRACE_MS}`])
    assert.equal(await done, EXIT.lost)
  })

  it('is killed at once if we were frozen until after the TTL', async () => {
    const { clock, group, done } = hold()
    await clock.run(1_000)
    await clock.freeze(60_000)
    assert.deepEqual(group.sent, ['SIGTERM at 61000', 'SIGKILL at 61000'])
    assert.equal(await done, EXIT.lost)
  })

  it('is killed in time if we were frozen for a part of the grace', async () => {
    const { clock, group, done } = hold()
    await clock.run(7_900)
    await clock.freeze(1_000)
    await clock.run(TTL_MS)
    assert.deepEqual(group.sent, ['SIGTERM at 8900', `SIGKILL at ${8000 + GRACE_MS}`])
    assert.equal(await done, EXIT.lost)
  })
})

describe('the margin before the end of the TTL', () => {
  const ttlMs = fc.integer({ min: 1_000, max: 24 * 60 * 60 * 1_000 })

  it('has room for TERM, then KILL, before the cluster can grant to another', () => {
    fc.assert(
      fc.property(ttlMs, (ttlMs) => {
        const lostAtMs = new Lease(0, ttlMs, lostMarginMs(ttlMs)).deadlineMs
        assert.ok(lostAtMs + graceMs(ttlMs) < ttlMs * 0.95)
      }),
    )
  })

  it('is what the client takes, not more than it allows', () => {
    fc.assert(
      fc.property(ttlMs, (ttlMs) => {
        const lostAtMs = new Lease(0, ttlMs, lostMarginMs(ttlMs)).deadlineMs
        assert.ok(Math.abs(ttlMs - lostAtMs - lostMarginMs(ttlMs)) < 0.001)
      }),
    )
  })

  it('is two seconds of the usual ten', () => {
    assert.equal(lostMarginMs(10_000), 2_000)
    assert.equal(lostMarginMs(60_000), 12_000)
    assert.equal(lostMarginMs(3_000), 1_000)
  })
})
