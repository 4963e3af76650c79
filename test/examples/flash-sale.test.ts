import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import type { Program } from '../cluster/program.js'
import { Example } from './page.js'

const COMMAND = 'node dist/examples/flash-sale.js ticket-1'
const SOLD_MS_MAX = 90_000
const PAID = /^buyer (\d+), token (\d+): paid$/
const OWNER = /^ticket-\d+ belongs to (.*); (\d+) others were told so/

describe('the flash sale', { timeout: 240_000 }, () => {
  let cluster: LocalCluster

  before(async () => {
    cluster = await LocalCluster.start()
  })
  after(() => cluster?.stop())

  function sell(ticket: string): Example {
    return new Example(COMMAND, { LOCKKEEPER_ADDRESSES: cluster.addresses }, { 'ticket-1': ticket })
  }

  it('serves ten thousand in order of arrival, and sells one ticket', async () => {
    await using sale = sell('ticket-1')
    const { code, stderr } = await sale.ended(SOLD_MS_MAX)
    assert.equal(code, 0, stderr)
    await sale.printsAsShown()
    const turns = sale.lines.slice(0, -1).map(({ text }) => text.match(/\d+/g)!.map(Number))
    const tokens = turns.map(([, token]) => token!)
    assert.deepEqual(
      tokens,
      [...tokens].sort((a, b) => a - b),
    )
    // Each connection's buyers enter the log in the order in which they came, and the first twelve cards are not covered.
    const buyers = turns.map(([buyer]) => buyer!)
    const winner = buyers.at(-1)!
    const ofConnection = buyers.filter((buyer) => buyer % 4 === winner % 4)
    assert.deepEqual(
      ofConnection,
      [0, 4, 8, 12].map((buyer) => buyer + (winner % 4)),
    )
    const [owner, others] = outcome(sale)
    assert.equal(owner, String(winner))
    assert.equal(Number(others) + buyers.length, 10_000)
  })

  it('sells it once although the leader is killed in the middle', async () => {
    await using sale = sell('ticket-2')
    await sale.line(/card declined/)
    const leader = await cluster.leader()
    await leader.kill()
    const { code, stderr } = await sale.ended(SOLD_MS_MAX)
    assert.equal(code, 0, stderr)
    const paid = sale.lines.flatMap(({ text }) => PAID.exec(text)?.[1] ?? [])
    const declined = sale.lines.filter(({ text }) => /declined/.test(text)).length
    const [owner, others] = outcome(sale)
    assert.deepEqual(paid, [owner])
    assert.equal(Number(others) + paid.length + declined, 10_000)
    await leader.start()
  })

  it('remembers who bought it', async () => {
    await using again = sell('ticket-2')
    const { code, stderr } = await again.ended(SOLD_MS_MAX)
    assert.equal(code, 0, stderr)
    assert.equal(again.lines.length, 1)
    assert.equal(outcome(again)[1], '9999')
  })
})

function outcome(sale: Program): [string, string] {
  const [, owner, others] = OWNER.exec(sale.lines.at(-1)!.text)!
  return [owner!, others!]
}
