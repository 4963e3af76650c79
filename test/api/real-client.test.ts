import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect, type LockkeeperError } from '../../src/client/index.js'
import { OneNode, until } from './one-node.js'

describe('the client at the real door', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  it('asks for no more at once than leaves it slots to release in', async () => {
    const patient = await connect(node.address)
    const other = await connect(node.address)
    const mine = await patient.lock('mine')
    const theirs = await other.lock('busy')
    const refused: LockkeeperError[] = []
    for (let k = 0; k < 65_536; k++)
      patient.lock('busy').catch((error: LockkeeperError) => {
        if (error.code !== 'CLOSED') refused.push(error)
      })
    await until(async () => (await other.get('busy')).waiting + refused.length === 65_536, 60_000)
    assert.equal(await mine.release(), 'released')
    assert.deepEqual([...new Set(refused.map(({ code }) => code))], ['LIMIT'])
    assert.match(refused[0]!.message, /at most 64512 requests.*; connect\(\) once more/)
    await patient.close()
    await until(async () => (await other.get('busy')).waiting === 0, 60_000)
    assert.equal(await theirs.release(), 'released')
    await other.close()
  })

  it('that closes while it waits leaves nothing behind', async () => {
    await using other = await connect(node.address)
    const keeper = await connect(node.address)
    await using held = await other.lock('contended')
    const waiting = keeper.lock('contended')
    await until(async () => (await other.get('contended')).waiting === 1)
    const [, closed] = await Promise.all([
      assert.rejects(waiting, { name: 'KeeperClosedError' }),
      keeper.close().then(() => other.get('contended')),
    ])
    assert.deepEqual([closed.waiting, closed.holders[0]?.token], [0, held.token])
  })
})
