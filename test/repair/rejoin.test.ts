import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MembersSeen } from '../../src/client/operator.js'
import type { NodeConfig } from '../../src/platform/config.js'
import { Taking } from '../../src/repair/rejoin.js'

const CONFIG = { id: 3, peer: 'three:1', client: 'three:2' } as NodeConfig

/** A leader that says what it is made to say, and notes what it is asked for. */
class Leader {
  readonly asked: string[] = []
  wasMember = false
  #seen = seen([1, 2])
  readonly taking = new Taking(
    {
      members: async () => this.#seen,
      change: async (method, request) => {
        this.asked.push(`${method} ${(request as { id: number }).id}`)
      },
    },
    CONFIG,
    { member: 1_003, votes: true, wasMember: () => this.wasMember },
  )

  step(voters: number[], learners: number[] = [], changing = false) {
    this.#seen = seen(voters, learners, changing)
    return this.taking.step()
  }
}

function seen(voters: number[], learners: number[] = [], changing = false): MembersSeen {
  const member = (voter: boolean) => (id: number) => ({ id, voter, connected: false })
  const members = [...voters.map(member(true)), ...learners.map(member(false))]
  return { clusterId: 'blue', leader: 1, changing, members } as unknown as MembersSeen
}

describe('a node that comes back as its next incarnation', () => {
  it('takes the place of the one before it, in steps', async () => {
    const leader = new Leader()
    await leader.step([1, 2, 3])
    await leader.step([1, 2])
    await leader.step([1, 2], [1_003])
    assert.equal(await leader.step([1, 2, 1_003]), 'back')
    assert.deepEqual(leader.asked, ['removeMember 3', 'addMember 1003', 'promoteMember 1003'])
  })

  it('goes on if its addition is taken back, whether it ran meanwhile or not', async () => {
    const leader = new Leader()
    await leader.step([1, 2], [1_003], true)
    assert.equal(await leader.step([1, 2]), undefined, 'a new leader has not heard of it')
    assert.deepEqual(leader.asked, ['promoteMember 1003', 'addMember 1003'])
    const restarted = new Leader()
    assert.equal(await restarted.step([1, 2]), undefined)
    assert.deepEqual(restarted.asked, ['addMember 1003'])
  })

  it('stays out if it was a member and is none any more, by the word of the leader or by what it has written down', async () => {
    const leader = new Leader()
    await leader.step([1, 2], [1_003])
    assert.equal(await leader.step([1, 2]), 'removed')
    const restarted = new Leader()
    restarted.wasMember = true
    assert.equal(await restarted.step([1, 2]), 'removed')
  })
})
