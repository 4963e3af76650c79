import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Configuration, Status } from '../../raft/index.js'
import { Machine } from '../../src/machine/machine.js'
import { Directory } from '../../src/membership/directory.js'

const FIRST = [1, 2].map((id) => ({ id, peer: `peer-${id}:1`, client: `client-${id}:1` }))
const MEMBERS: Configuration = { voters: [1, 2], outgoing: [], learners: [] }

function status(config: Configuration, configIndex: number, configCommitted = true): Status {
  const leadership = {
    id: 1,
    role: 'follower',
    term: 1,
    leader: 2,
    serving: false,
    transferring: false,
  } as const
  return { ...leadership, lastIndex: 9, commitIndex: 9, config, configIndex, configCommitted }
}

describe('a directory', () => {
  it('has the addresses of the file until the machine is told others', () => {
    const sources = { status: status(MEMBERS, 0), machine: new Machine() }
    const directory = new Directory(1, FIRST, sources)
    sources.machine.apply({ at: 1, commands: [{ op: 'describe', node: 2, peer: 'a:1', client: 'a:2' }] })
    assert.deepEqual(directory.members(), [
      { ...FIRST[0]!, isVoter: true },
      { id: 2, peer: 'a:1', client: 'a:2', isVoter: true },
    ])
  })

  it('has a member that nobody has described yet, and no address for it', () => {
    const machine = new Machine()
    const directory = new Directory(1, FIRST, { status: status({ ...MEMBERS, learners: [7] }, 5), machine })
    assert.deepEqual(directory.members()[2], { id: 7, peer: '', client: '', isVoter: false })
  })

  it('keeps whom a change lets go among the peers until it is committed: it may be taken back', () => {
    const sources = { status: status(MEMBERS, 0), machine: new Machine() }
    const directory = new Directory(1, FIRST, sources)
    assert.ok(directory.refresh())
    assert.deepEqual([...directory.peers().keys()], [1, 2])

    const alone = { ...MEMBERS, voters: [2] }
    sources.status = status(alone, 5, false)
    assert.ok(directory.refresh())
    assert.deepEqual([[...directory.peers().keys()], directory.isMember], [[1, 2], true])

    sources.status = status(alone, 5)
    assert.ok(directory.refresh())
    assert.deepEqual([[...directory.peers().keys()], directory.isMember], [[2], false])
  })

  it('tells whether there is news, once', () => {
    const sources = { status: status(MEMBERS, 0), machine: new Machine() }
    const directory = new Directory(1, FIRST, sources)
    const news = [directory.refresh(), directory.refresh()]
    sources.machine.apply({ at: 1, commands: [{ op: 'describe', node: 2, peer: 'a:1', client: 'a:2' }] })
    news.push(directory.refresh(), directory.refresh())
    // By a peer's snapshot.
    sources.machine = new Machine()
    news.push(directory.refresh())
    assert.deepEqual(news, [true, false, true, false, true])
  })
})
