import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { soundJson, soundText } from '../../src/cli/verify.js'
import type { SoundDisk } from '../../src/verification/verify-disk.js'

const DISK: SoundDisk = {
  kind: 'sound',
  clusterId: 'orders',
  nodeId: 2,
  term: 7,
  checkpoint: { index: 1200, term: 6, records: 85 },
  log: { from: 1001, to: 1234 },
  applied: 1234,
  sessions: 12,
  names: 34,
  nextToken: 567,
  digest: 8_901_234_567,
}

describe('verify', () => {
  it('prints a few plain lines', () => {
    assert.equal(
      soundText(DISK),
      `Sound: everything is as it was written.

node        2 of cluster orders
term        7
checkpoint  of entry 1200 of term 6, 85 records
log         from entry 1001 to 1234
applied     to entry 1234, the last one, committed or not
sessions    12
names       34
next token  567
digest      8901234567`,
    )
  })

  it('says so if there is no checkpoint, and no entry', () => {
    const text = soundText({ ...DISK, checkpoint: undefined, log: undefined })
    assert.match(text, /^checkpoint {2}none\nlog {9}empty$/m)
  })

  it('prints one JSON object on demand', () => {
    const { kind: _, clusterId: cluster, nodeId: node, ...figures } = DISK
    assert.deepEqual(soundJson(DISK), { sound: true, cluster, node, ...figures })
    assert.deepEqual(JSON.parse(JSON.stringify(soundJson({ ...DISK, log: undefined }))).log, null)
  })
})
