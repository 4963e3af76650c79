import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { Example } from './page.js'

const LEDGER = 'node dist/examples/ledger.js ./ledger 8080'
const SLOW = 'node dist/examples/payment-worker.js http://127.0.0.1:8080 7 70 5000'
const QUICK = 'node dist/examples/payment-worker.js http://127.0.0.1:8080 7 60'
const PAGE_URL = 'http://127.0.0.1:8080'

describe('the payment with a fenced write', { timeout: 120_000 }, () => {
  let cluster: LocalCluster
  let directory: string

  before(async () => {
    cluster = await LocalCluster.start()
    directory = await mkdtemp(join(tmpdir(), 'lockkeeper-ledger-'))
  })
  after(async () => {
    await cluster?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  async function openLedger(): Promise<{ ledger: Example; url: string }> {
    const ledger = new Example(LEDGER, {}, { './ledger': directory, 8080: '0' })
    await ledger.printsAsShown()
    return { ledger, url: ledger.lines[0]!.text.split(' ').at(-1)! }
  }

  function pay(command: string, url: string): Example {
    return new Example(command, { LOCKKEEPER_ADDRESSES: cluster.addresses }, { [PAGE_URL]: url })
  }

  it('refuses a worker that was stopped past its TTL, also when the ledger was killed meanwhile', async () => {
    const first = await openLedger()
    await using _ = first.ledger
    await using slow = pay(SLOW, first.url)
    await slow.line(/^token \d+: account 7 has 100$/)
    slow.signal('SIGSTOP')
    await using quick = pay(QUICK, first.url)
    assert.match((await quick.endsAsShown()).stdout, /: paid 60, 40 are left$/m)
    slow.signal('SIGCONT')
    await slow.printsAsShown()
    const { code, stdout } = await slow.ended()
    assert.equal(code, 1)
    assert.match(stdout, /the lock is lost$/m)

    first.ledger.signal('SIGKILL')
    await first.ledger.ended()
    const again = await openLedger()
    await using __ = again.ledger
    const [late, next] = [tokenOf(slow), tokenOf(quick)]
    const account = (token: number): string => `${again.url}/accounts/7?token=${token}`
    const write = await fetch(account(late), { method: 'PUT', body: '{"balance":30}' })
    assert.deepEqual([write.status, await write.json()], [409, { fence: next }])
    assert.deepEqual(await (await fetch(account(next))).json(), { balance: 40 })
  })
})

function tokenOf(worker: Example): number {
  return Number(/\d+/.exec(worker.lines[0]!.text)![0])
}
