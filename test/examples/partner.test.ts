import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { Example } from './page.js'

const SERVER = 'node dist/examples/partner-api.js 8081'
const CLIENT = 'node dist/examples/partner-client.js http://127.0.0.1:8081 20'
const PAGE_URL = 'http://127.0.0.1:8081'

interface Figures {
  readonly served: number
  readonly refused: number
  readonly busiest: number
}

describe('the API that serves five at a time', { timeout: 120_000 }, () => {
  let cluster: LocalCluster

  before(async () => {
    cluster = await LocalCluster.start()
  })
  after(() => cluster?.stop())

  async function serve(): Promise<{ api: Example; url: string }> {
    const api = new Example(SERVER, {}, { 8081: '0' })
    await api.printsAsShown()
    return { api, url: api.lines[0]!.text.split(' ').at(-1)! }
  }

  function client(url: string): Example {
    return new Example(CLIENT, { LOCKKEEPER_ADDRESSES: cluster.addresses }, { [PAGE_URL]: url })
  }

  async function figures(url: string): Promise<Figures> {
    return (await (await fetch(`${url}/figures`)).json()) as Figures
  }

  it('refuses nobody who has a permit, whatever process it is', async () => {
    const { api, url } = await serve()
    await using _ = api
    await using first = client(url)
    await using second = client(url)
    await using third = client(url)
    const ended = await Promise.all([first, second, third].map((each) => each.endsAsShown()))
    for (const { stdout } of ended) assert.match(stdout, /^20 calls answered, 0 refused$/m)
    assert.deepEqual(await figures(url), { served: 60, refused: 0, busiest: 5 })
  })

  it('gets the permits back of a client that was killed', async () => {
    const { api, url } = await serve()
    await using _ = api
    await using victim = client(url)
    await victim.line(/^calls /)
    while ((await figures(url)).served === 0);
    victim.signal('SIGKILL')
    await using other = client(url)
    assert.match((await other.endsAsShown()).stdout, /^20 calls answered, 0 refused$/m)
    const { refused, busiest } = await figures(url)
    assert.deepEqual([refused, busiest], [0, 5])
  })
})
