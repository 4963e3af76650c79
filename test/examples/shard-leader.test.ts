import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { runCli } from '../cluster/cli.js'
import { eventually } from '../cluster/eventually.js'
import { Example } from './page.js'

const HOSTS = ['host-a', 'host-b', 'host-c'] as const
const COMMANDS = {
  'host-a': 'node dist/examples/shard-leader.js host-a',
  'host-b': 'node dist/examples/shard-leader.js host-b',
  'host-c': 'node dist/examples/shard-leader.js host-c',
}
const SOON_MS = 30_000

describe('the leader of a shard', { timeout: 120_000 }, () => {
  let cluster: LocalCluster

  before(async () => {
    cluster = await LocalCluster.start()
  })
  after(() => cluster?.stop())

  it('serves whoever asks any host; is handed over to a chosen host; survives the death of leaders', async () => {
    await using keeper = await connect(cluster.addresses)
    const election = keeper.election('shards/7')
    const env = { LOCKKEEPER_ADDRESSES: cluster.addresses }
    const start = async (host: (typeof HOSTS)[number]): Promise<{ host: Example; url: string }> => {
      const example = new Example(COMMANDS[host], env)
      const { text } = await example.line(/ listens at /)
      await example.line(/ sees host-a lead$/)
      await eventually(`${host} stands for election`, SOON_MS, async () => {
        const all = [await election.leader(), ...(await election.candidates())]
        return all.some((candidate) => candidate?.label === host) || undefined
      })
      return { host: example, url: text.split(' ').at(-1)! }
    }
    const a = await start('host-a')
    await using _ = a.host
    const b = await start('host-b')
    await using __ = b.host
    const c = await start('host-c')
    await using ___ = c.host
    const all = [a, b, c]
    const tokens: number[] = []
    const served = async (by: string, whom: typeof all): Promise<void> => {
      for (const { url } of whom) {
        const token = await eventually(`${by} serves`, SOON_MS, () => ask(url, by))
        tokens.push(token)
      }
    }
    await served('host-a', all)

    const asked = ['request-release', 'shards/7', '--note', 'host-c', '--connect', cluster.addresses]
    const { code, stderr } = await runCli(asked)
    assert.equal(code, 0, stderr)
    await served('host-c', all)

    const leader = await cluster.leader()
    await leader.kill()
    c.host.signal('SIGKILL')
    // First come, first served: b came before a, which led before.
    await served('host-b', [a, b])
    await leader.start()

    b.host.signal('SIGTERM')
    assert.equal((await b.host.ended()).code, 0)
    await served('host-a', [a])
    assert.deepEqual(
      tokens,
      [...tokens].sort((one, other) => one - other),
    )
    assert.deepEqual(new Set(tokens).size, 4)
    await b.host.printsAsShown()
    await c.host.printsAsShown()
    await a.host.printsAsShown()
    a.host.signal('SIGTERM')
    assert.equal((await a.host.ended()).code, 0)
  })
})

/** The token of this leader, if it is the one who answers. */
async function ask(url: string, by: string): Promise<number | undefined> {
  try {
    const answer = await (await fetch(url)).text()
    const [, host, token] = /^(host-\w) serves shard 7 with token (\d+)\n$/.exec(answer) ?? []
    return host === by ? Number(token) : undefined
  } catch {
    // The one it was sent to has just died.
    return undefined
  }
}
