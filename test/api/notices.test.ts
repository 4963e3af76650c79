import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Notice_Kind, type Session } from '../../src/protocol/lockkeeper.js'
import { OneNode, until } from './one-node.js'
import { acquire, RawStream, RENEW, tokenOf } from './raw-stream.js'

/** What the stream was told of its claims, in order. */
function notices(stream: RawStream): string[] {
  return stream.frames.flatMap((frame) =>
    frame.notices.map(({ kind, token, note }) => `${Notice_Kind[kind]} ${token} ${note}`),
  )
}

describe('what holders must know', () => {
  let node: OneNode
  let operator: Session
  let seq = 0
  before(async () => {
    node = await OneNode.start()
    operator = await node.openSession()
  })
  after(() => node.stop())

  async function force(name: string, note = 'by force'): Promise<void> {
    await node.call('forceRelease', { session: operator, slot: 1, seq: ++seq, name, token: 0, note })
  }

  async function askFor(name: string, note: string): Promise<void> {
    await node.call('requestRelease', { session: operator, slot: 1, seq: ++seq, name, token: 0, note })
  }

  it('is told to every stream of the holder’s session, each time, and to nobody else', async () => {
    const holder = await RawStream.attach(node.client)
    const second = await RawStream.attach(node.client, holder.session)
    const other = await RawStream.attach(node.client)
    const [a, b] = [
      tokenOf(await holder.answerTo(1, 1, acquire('a'))),
      tokenOf(await holder.answerTo(2, 1, acquire('b'))),
    ]
    await askFor('a', 'please')
    await askFor('a', 'now')
    await force('b')
    const all = [`ASKED ${a} please`, `ASKED ${a} now`, `LOST ${b} by force`]
    await until(() => notices(holder).length === 3 && notices(second).length === 3)
    assert.deepEqual([notices(holder), notices(second)], [all, all])
    assert.equal(await other.answerTo(1, 1, RENEW), 'renewed')
    assert.deepEqual(notices(other), [])
  })

  it('does not reach a stream that has left, and its session is told when it comes back, right after Welcome', async () => {
    const away = await RawStream.attach(node.client)
    const [asked, lost] = [
      tokenOf(await away.answerTo(1, 1, acquire('asked'))),
      tokenOf(await away.answerTo(2, 1, acquire('lost'))),
    ]
    away.close()
    await away.end()
    await askFor('asked', 'please')
    await force('lost')
    for (const attempt of ['once', 'again']) {
      const back = await RawStream.attach(node.client, away.session)
      assert.equal(await back.answerTo(0, 1, RENEW), 'renewed')
      assert.deepEqual(notices(back), [`LOST ${lost} by force`], attempt)
      assert.equal(back.frames[1]?.notices.length, 1, 'before anything else')
      back.close()
    }
    assert.equal((await node.call('getName', { name: 'asked' })).name?.holders[0]?.token, asked)
  })

  it('follows the grant that it is about, also when that is told late', async () => {
    const first = await RawStream.attach(node.client)
    await first.answerTo(1, 1, acquire('late'))
    const second = await RawStream.attach(node.client)
    second.ask(1, 1, acquire('late'))
    await until(async () => (await node.call('getName', { name: 'late' })).name?.waiting === 1)
    second.close()
    await second.end()
    await force('late')
    await force('late', 'once more')
    const back = await RawStream.attach(node.client, second.session)
    const token = tokenOf(await back.answerTo(1, 1, acquire('late')))
    // The first time nobody knew of the token yet.
    const told = `LOST ${token} once more`
    await until(() => notices(back).length === 2)
    assert.deepEqual(notices(back), [told, told])
    const kinds = back.frames.flatMap((frame) => [
      ...frame.answers.map(() => 'grant'),
      ...frame.notices.map(() => 'loss'),
    ])
    assert.deepEqual(kinds, ['loss', 'grant', 'loss'])
  })
})
