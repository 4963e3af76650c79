import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Inspection } from '../../src/api/inspection.js'
import { StateReads } from '../../src/api/state-reads.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import {
  ListClaimsRequest_Line,
  ListClaimsResponse,
  ListNamesResponse,
} from '../../src/protocol/lockkeeper.js'
import { HandDrivenNode, open } from '../replica/hand-driven.js'
import { doorOf } from './door-by-hand.js'

const NAMES = { prefix: '', after: '', limit: 0 }

function callerOn(connection: string) {
  return { connection, remainingMs: Number.POSITIVE_INFINITY, onGone: () => undefined }
}

/** A node on which each turn does one step of the work of its clients. */
async function nodeInSlices() {
  const node = await HandDrivenNode.leading()
  const door = doorOf(node, 0)
  return { node, inspection: new Inspection(door, new StateReads(door)) }
}

let slot = 0
function acquire(node: HandDrivenNode, name: string, data = ''): void {
  const numbers = { session: 1, key: 7, slot: slot++, seq: 1 }
  const terms = {
    data,
    owner: '',
    reentrant: false,
    priority: 0,
    steal: false,
    upgrades: 0,
    lockDelayMs: 0,
    minHoldMs: 0,
    fingerprint: undefined,
  }
  const mode = { kind: 'shared' } as const
  node.submit({ op: 'acquire', ...numbers, names: [name], mode, waitMs: 0, label: '', terms })
}

describe('reads that come at once', () => {
  it('are confirmed by one read of the log, and answered one by one, a turn for each connection', async () => {
    const { node, inspection } = await nodeInSlices()
    let confirmed = 0
    const confirmRead = node.replica.confirmRead.bind(node.replica)
    node.replica.confirmRead = (answer) => {
      confirmed++
      confirmRead(answer)
    }
    const answered: string[] = []
    const ask = (connection: string): void =>
      void inspection.listNames(NAMES, callerOn(connection)).then(() => answered.push(connection))
    for (let k = 0; k < 20; k++) ask('greedy')
    ask('modest')
    await node.clock.turn()
    const first = [...answered]
    for (let k = 0; k < 40 && answered.length < 21; k++) await node.clock.pass(1)
    assert.equal(confirmed, 1)
    assert.ok(first.length <= 1, 'in one turn')
    assert.deepEqual(answered.slice(0, 3), ['greedy', 'modest', 'greedy'])
    assert.equal(answered.length, 21)
  })
})

describe('a page', () => {
  it('shows no more names and claims together than can be made in a few milliseconds, and says that there are more', async () => {
    const { node, inspection } = await nodeInSlices()
    node.submit({ op: 'raise', level: FEATURE_LEVEL }, open(7, 60_000))
    for (let name = 0; name < 30; name++)
      for (let k = 0; k < 100; k++) acquire(node, `crowded/${String(name).padStart(2, '0')}`)
    await node.clock.pass(100)
    const listed: string[] = []
    for (let more = true; more; ) {
      const asked = inspection.listNames(
        { prefix: '', after: listed.at(-1) ?? '', limit: 1_000 },
        callerOn('a'),
      )
      await node.clock.pass(10)
      const page = ListNamesResponse.decode(await asked)
      const claims = page.names.reduce((sum, { holders }) => sum + holders.length, 0)
      assert.ok(claims <= 1_000, `${claims} claims`)
      listed.push(...page.names.map(({ name }) => name))
      more = page.more
    }
    assert.equal(listed.length, 30)
  })

  it('fits its limit in bytes, whatever the claims carry', async () => {
    const { node, inspection } = await nodeInSlices()
    node.submit({ op: 'raise', level: FEATURE_LEVEL }, open(7, 60_000))
    for (let k = 0; k < 100; k++) acquire(node, 'large', 'é'.repeat(LIMITS.dataBytesMax / 2))
    await node.clock.pass(100)
    const asked = inspection.listClaims(
      { name: 'large', line: ListClaimsRequest_Line.HOLDERS, after: 0, limit: 1_000 },
      callerOn('a'),
    )
    await node.clock.pass(10)
    const bytes = await asked
    const { claims, more } = ListClaimsResponse.decode(bytes)
    assert.deepEqual(
      [bytes.length <= LIMITS.pageBytesMax, more],
      [true, true],
      `${bytes.length} bytes, ${claims.length} claims`,
    )
    assert.ok(claims.length >= LIMITS.pageBytesMax / LIMITS.dataBytesMax - 2)
  })
})
