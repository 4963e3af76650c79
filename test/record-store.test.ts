import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LevelRecordStore } from '../src/record-store/index.js'
import { startAt } from './suites/log-store-suite.js'

test('a checkpoint of many records is encoded a slice at a time, and the event loop turns between them', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'record-store-'))
  const store = await LevelRecordStore.open(directory, 1)
  await store.load(() => {})
  let inThisTurn = 0
  let most = 0
  const changes = Array.from({ length: 10_000 }, (_, k) => ({
    key: `k${k}`,
    get value() {
      most = Math.max(most, ++inThisTurn)
      return Buffer.from('v')
    },
  }))
  let turning = setImmediate(function turn() {
    inThisTurn = 0
    turning = setImmediate(turn)
  })
  try {
    await store.write(startAt(1, 1), changes)
    assert.ok(most > 0 && most <= 1_000, `${most} records in one turn`)
  } finally {
    clearImmediate(turning)
    await store.close()
    await rm(directory, { recursive: true })
  }
})
