import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { locksTable } from '../../src/cli/locks.js'
import { membersText } from '../../src/cli/members.js'
import { askAll, leaderOf, type Report, statusJson, statusText } from '../../src/cli/status.js'
import { reasonIn } from '../../src/cli/why-not.js'
import type { Connector } from '../../src/client/index.js'
import type { Claim, GetStatusResponse, NameState } from '../../src/protocol/lockkeeper.js'
import { CLAIM_SHOWN, NAME_SHOWN } from '../api/plain.js'

const claim = (token: number, label: string, sessionLabel: string): Claim => ({
  ...CLAIM_SHOWN,
  session: 5,
  sessionLabel,
  label,
  token,
  sinceMs: 61_000,
  ttlLeftMs: 7_200,
})

const nameOf = (name: string, holders: Claim[] = [], waiting = 0): NameState => ({
  ...NAME_SHOWN,
  name,
  holders,
  waiting,
})

describe('lockkeeper members', () => {
  const member = (id: number, matchIndex: number, voter = true, connected = true) => {
    return {
      id,
      peerAddress: `10.0.0.${id}:7201`,
      clientAddress: `10.0.0.${id}:7101`,
      voter,
      matchIndex,
      connected,
    }
  }
  const members = [member(1, 90), member(2, 88), member(4, 0, false, false)]

  it('shows who leads, who votes, how far each is, and who is out of reach', () => {
    assert.equal(
      membersText({ clusterId: 'three', leader: 1, lastIndex: 90, members, changing: false }),
      [
        'NODE  ROLE     PEERS AT       CLIENTS AT     BEHIND  CONNECTED',
        '   1  leader   10.0.0.1:7201  10.0.0.1:7101       0  yes',
        '   2  voter    10.0.0.2:7201  10.0.0.2:7101       2  yes',
        '   4  learner  10.0.0.4:7201  10.0.0.4:7101      90  no',
      ].join('\n'),
    )
  })

  it('says when a change is under way', () => {
    assert.match(
      membersText({ clusterId: 'three', leader: 1, lastIndex: 90, members, changing: true }),
      /A change of the members is under way\.$/,
    )
  })
})

describe('lockkeeper locks', () => {
  it('shows holder, token, times and how many wait', () => {
    const names = [
      nameOf('orders/42', [claim(17, 'backup.sh', 'ann@web-1')], 3),
      nameOf('z', [claim(9, '', '')]),
    ]
    assert.equal(
      locksTable(names),
      [
        'NAME       HOLDER                 MODE       TOKEN  HELD FOR  TTL LEFT  WAITING  MEMBERS',
        'orders/42  backup.sh (ann@web-1)  exclusive     17     1m 1s      7.2s        3        0',
        'z          session 5              exclusive      9     1m 1s      7.2s        0        0',
      ].join('\n'),
    )
  })

  it('shows a name that is waited for by nobody but in the queue', () => {
    assert.match(locksTable([nameOf('a', [], 2)]), /^a +- +- +- +- +- +2 +0$/m)
  })

  it('says why a name that nobody holds is not free', () => {
    const resting = { ...nameOf('a'), restMs: 61_000 }
    const suspended = { ...nameOf('b'), suspension: { leftMs: undefined, note: 'anna' } }
    assert.match(locksTable([resting]), /^a +\(rests 1m 1s\) /m)
    assert.match(locksTable([suspended]), /^b +\(suspended\) /m)
    assert.match(reasonIn(suspended), /"b" is suspended \(anna\)\./)
    const held = { ...nameOf('c', [claim(9, 'job', 'ann@web-1')], 4), holding: 3 }
    assert.equal(reasonIn(held), '"c" is held by job (ann@web-1) and 2 more, for 1m 1s; 4 wait.')
  })

  it('says so when there are none', () => {
    assert.equal(locksTable([]), 'No locks are held or waited for.')
  })
})

const MIB = 1024 * 1024
const members = [1, 2, 3].map((id) => ({
  id,
  clientAddress: `h:710${id}`,
  peerAddress: `h:720${id}`,
  connected: true,
}))

function says(nodeId: number, role: string, term: number): Report {
  const status: GetStatusResponse = {
    clusterId: 'three',
    nodeId,
    role,
    term,
    topology: { leader: 0, members },
    commitIndex: 9,
    appliedIndex: 9,
    sessions: 2,
    names: 4,
    version: '0.1.0',
    featureLevel: 1,
    reserves: [
      { resource: 'disk', freeBytes: 600 * MIB, reserveBytes: 100 * MIB },
      { resource: 'memory', freeBytes: 90 * MIB, reserveBytes: 100 * MIB },
    ],
    clientPort: undefined,
    peerPort: undefined,
    descriptorsMax: 0,
  }
  return { address: `h:710${nodeId}`, status }
}

const silent = (nodeId: number): Report => ({
  address: `h:710${nodeId}`,
  problem: `h:710${nodeId} did not answer (ECONNREFUSED)`,
})

describe('lockkeeper status', () => {
  it('shows every member, also the one that is down', () => {
    assert.equal(
      statusText([says(2, 'leader', 7), says(1, 'follower', 7), silent(3)]),
      [
        'Cluster three: node 2 leads in term 7.',
        '',
        'NODE  ADDRESS  ROLE         TERM  COMMITTED  APPLIED  SESSIONS  NAMES     DISK   HEAP  VERSION',
        '   1  h:7101   follower        7          9        9         2      4  500 MiB  0 MiB  0.1.0',
        '   2  h:7102   leader          7          9        9         2      4  500 MiB  0 MiB  0.1.0',
        '   3  h:7103   unreachable     -          -        -         -      -        -      -  -',
      ].join('\n'),
    )
  })

  it('shows who does not belong to the others, whatever it says of itself', () => {
    const foreign = says(8, 'follower', 9)
    assert('status' in foreign)
    const reports: Report[] = [
      says(2, 'leader', 7),
      says(1, 'leader', 1),
      says(5, 'follower', 6),
      { ...foreign, status: { ...foreign.status, clusterId: 'four' } },
    ]
    const lines = statusText(reports).split('\n')
    assert.deepEqual(
      lines.slice(3).map((line) => line.slice(15, 27).trim()),
      ['leads alone', 'leader', 'unreachable', 'no member', 'of four'],
    )
  })

  it('asks the members it hears of as well, each once', async () => {
    const asked: string[] = []
    const call = async (address: string) => {
      asked.push(address)
      const report = says(Number(address.at(-1)), 'follower', 7)
      if ('problem' in report || address === 'h:7103') throw new Error('ECONNREFUSED')
      return report.status
    }
    const reports = await askAll({ call } as Pick<Connector, 'call'>, ['h:7101', 'h:7101'])
    assert.deepEqual(asked, ['h:7101', 'h:7102', 'h:7103'])
    assert.deepEqual(
      reports.map((report) => 'status' in report),
      [true, true, false],
    )
  })

  it('is not deceived by a leader of an older term', () => {
    assert.equal(leaderOf([says(1, 'leader', 6), says(2, 'leader', 7)])?.nodeId, 2)
  })

  it('says what to do when there is no leader, and when nobody answers', () => {
    assert.match(statusText([says(1, 'candidate', 8), silent(2)]), /^There is no leader: .*until a majority/)
    assert.match(
      statusText([silent(1)]),
      /h:7101 did not answer \(ECONNREFUSED\)\.\nNo node answered\. Check --connect/,
    )
  })

  it('gives a script the same, in JSON', () => {
    const json = JSON.parse(JSON.stringify(statusJson([says(2, 'leader', 7), silent(3)])))
    assert.deepEqual([json.cluster, json.leader, json.term], ['three', 2, 7])
    assert.deepEqual(
      json.nodes.map((node: { reachable: boolean }) => node.reachable),
      [false, true, false],
    )
    assert.equal(json.nodes[1].role, 'leader')
  })
})
