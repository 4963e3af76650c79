import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Hello, type PeerBook, refusal, rollback, salvageRefusal } from '../src/transport/hello.js'

const HELLO: Hello = {
  version: 1,
  clusterId: 'blue',
  from: 2,
  to: 1,
  address: 'two:1',
  configIndex: 5,
  level: 3,
  disk: 22,
  lastIndex: 40,
  incarnation: 0,
}
const BOOK: PeerBook = {
  addresses: members(1, 2, 3),
  configIndex: 5,
  isLed: true,
  disks: new Map([[2, 22]]),
  kept: new Map([[2, 40]]),
  level: 3,
  incarnation: 0,
}

function members(...ids: number[]): PeerBook['addresses'] {
  return new Map(ids.map((id) => [id, `${id}:1`]))
}

/** What node 1, or `self`, says to it. */
function told(hello: Partial<Hello>, book: Partial<PeerBook> = {}, self = 1) {
  return refusal({ ...HELLO, ...hello }, { clusterId: 'blue', self, book: { ...BOOK, ...book } })
}

function assertRefused(actual: ReturnType<typeof told>, reason: RegExp, loss?: 'disk' | 'end_of_log'): void {
  assert.match(actual?.reason ?? 'welcome', reason)
  assert.equal(actual?.loss, loss)
}

describe('a hello', () => {
  it('of a member on its disk, on the level of the cluster, is welcome', () => {
    assert.equal(told({}), undefined)
    assert.equal(told({ level: 4 }), undefined)
  })

  it('of another protocol or cluster is refused, and accuses nobody, whatever its disk', () => {
    assertRefused(told({ version: 2, disk: 9 }), /peer protocol 2/)
    assertRefused(told({ clusterId: 'green', disk: 9 }), /cluster 'green'/)
  })

  it('for a node of another number is refused, and accuses nobody, whatever its disk', () => {
    assertRefused(told({ to: 3, disk: 9 }), /you look for node 3 and this is node 1/)
  })

  it('of the very member that it comes to is refused', () => {
    assertRefused(told({ from: 1 }), /give each node an id of its own/)
  })

  it('of a member on another disk than the log has says that its disk is lost (fault 17)', () => {
    assertRefused(told({ disk: 9 }), /on another disk/, 'disk')
    // Older versions do not say on which they are: the cluster has risen above them, or does not know the member's.
    assertRefused(told({ disk: 0 }), /on another disk/, 'disk')
  })

  it('of a member whose disk is not known yet is welcome, whatever its disk', () => {
    assert.equal(told({ disk: 9 }, { disks: new Map([[3, 33]]) }), undefined)
  })

  it('of an earlier incarnation of a member says that its disk is lost (fault 17)', () => {
    const book = { addresses: members(1, 1_002, 3), disks: new Map([[1_002, 22]]) }
    assertRefused(told({}, book), /on another disk/, 'disk')
    assert.equal(told({ from: 1_002 }, book), undefined)
    // It may be the next one, which has yet to take its place.
    assertRefused(told({ from: 2_002 }, book), /no member/)
    assertRefused(told({ from: 12 }, { ...book, addresses: members(1, 1_002, 13) }), /no member/)
  })

  it('of an emptied node that knows only the first incarnations of its peers says that its disk is lost (fault 17)', () => {
    const book = { addresses: members(1_001, 1_002, 1_003), disks: new Map([[1_002, 22]]) }
    assertRefused(told({ from: 2, to: 1 }, book, 1_001), /on another disk/, 'disk')
    const here = { addresses: members(1_001, 2, 1_003), disks: new Map([[2, 22]]) }
    assertRefused(told({ from: 2, to: 1, disk: 9 }, here, 1_001), /on another disk/, 'disk')
  })

  it('for an earlier incarnation of the node is refused, and accuses nobody', () => {
    assertRefused(told({ to: 1 }, { addresses: members(1_001, 2, 3) }, 1_001), /that node is member 1001 now/)
    assertRefused(told({ to: 1_001 }), /that node is member 1 now/)
  })

  it('of a version that knows a lower level than the cluster is on is refused', () => {
    assertRefused(told({ level: 2 }), /knows level 2: upgrade it/)
  })

  it('of an emptied disk is told so by any version: a lower level is no other reason', () => {
    assertRefused(told({ level: 2, disk: 9 }), /on another disk/, 'disk')
  })

  it('of a stranger is refused if it does not know newer members, or if this node hears a leader', () => {
    const stranger = { from: 7, configIndex: 6 }
    assertRefused(told(stranger), /node 7 is no member as far as node 1 knows/)
    assert.equal(told(stranger, { isLed: false }), undefined)
    assertRefused(told({ ...stranger, configIndex: 5 }, { isLed: false }), /no member/)
    assertRefused(told({ ...stranger, configIndex: 4 }, { isLed: false }), /no member/)
  })

  it('of anybody is welcome to a node that is no member yet: others will tell who is', () => {
    assert.equal(told({ from: 7, configIndex: 0 }, { addresses: members(2, 3) }), undefined)
  })
})

describe('what a member has told of its log', () => {
  const judged = (hello: Partial<Hello>, book: Partial<PeerBook> = {}) =>
    rollback({ ...HELLO, ...hello }, { ...BOOK, ...book })

  it('does not speak against a log that ends there, or later', () => {
    assert.equal(judged({}), undefined)
    assert.equal(judged({ lastIndex: 41 }), undefined)
  })

  it('does not speak against one that has told nothing, or does not say where its log ends', () => {
    assert.equal(judged({ lastIndex: 0 }, { kept: new Map([[3, 40]]) }), undefined)
    assert.equal(judged({ lastIndex: undefined }), undefined)
  })

  it('proves that a log that ends before is an earlier copy, of the disk that is known (fault 26)', () => {
    assertRefused(judged({ lastIndex: 39 }), /had entry 40 on disk, .* ends with entry 39/, 'end_of_log')
  })

  it('proves that the disk is lost if that is another (fault 17)', () => {
    assertRefused(judged({ lastIndex: 39, disk: 9 }), /had entry 40/, 'disk')
  })

  it('proves that promises are lost, whatever the sender’s own log says, if it is not known on which disk it was (fault 26)', () => {
    assertRefused(judged({ lastIndex: 39 }, { disks: new Map() }), /had entry 40/, 'end_of_log')
  })
})

describe('a node with a damaged disk', () => {
  const asked = (hello: Partial<Hello>, self = 1) => salvageRefusal({ ...HELLO, ...hello }, 'blue', self)

  it('is told what there is on the disk of any incarnation of the node that it asks', () => {
    assert.equal(asked({ disk: 0, level: 0, lastIndex: 0, configIndex: 0 }), undefined)
    assert.equal(asked({ from: 1_002, to: 1 }, 2_001), undefined)
  })

  it('is refused if it is of another protocol or cluster, asks another node, or is that node', () => {
    assertRefused(asked({ version: 2 }), /peer protocol 2/)
    assertRefused(asked({ clusterId: 'green' }), /cluster 'green'/)
    assertRefused(asked({ to: 3 }), /you look for node 3 and this is node 1/)
    assertRefused(asked({ from: 1_001 }), /this is node 1, and so are you/)
  })
})
