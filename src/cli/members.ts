import { setTimeout as sleep } from 'node:timers/promises'
import { RefusedError } from '../client/errors.js'
import { type MembersSeen, Operator } from '../client/operator.js'
import { complain } from './failures.js'
import { type Column, renderTable } from './table.js'

const CATCH_UP_POLL_MS = 500
/** A learner that gets nothing of the log for so long is not running, or can't be reached. */
const CATCH_UP_STANDSTILL_MS = 60_000

/** Prints the members as the leader sees them. */
export async function showMembers(addresses: readonly string[], json: boolean): Promise<void> {
  using operator = new Operator(addresses)
  const { leaderAddress: _, ...seen } = await operator.members()
  process.stdout.write(`${json ? JSON.stringify(seen) : membersText(seen)}\n`)
}

export interface NewMember {
  readonly id: number
  readonly peerAddress: string
  readonly clientAddress: string
}

/** Takes a node in and, unless it is to stay a learner, gives it a vote as soon as it has caught up. */
export async function addMember(
  addresses: readonly string[],
  member: NewMember,
  staysLearner: boolean,
): Promise<void> {
  using operator = new Operator(addresses)
  const { id } = member
  await operator.change('addMember', member, (seen) => find(seen, id) !== undefined)
  say(`Node ${id} is a learner now: it gets the log, and has no vote.`)
  if (staysLearner) return
  await promoteWhenCaughtUp(operator, id)
  say(`Node ${id} is a voter now.`)
}

export async function promoteMember(addresses: readonly string[], id: number): Promise<void> {
  using operator = new Operator(addresses)
  await promote(operator, id)
  say(`Node ${id} is a voter now.`)
}

export async function removeMember(addresses: readonly string[], id: number): Promise<void> {
  using operator = new Operator(addresses)
  await operator.change('removeMember', { id }, (seen) => find(seen, id) === undefined)
  say(`Node ${id} is no member any more. Stop it for good; its id is never to be used again.`)
}

/** `to` 0: whoever has most of the log. */
export async function transferLeadership(addresses: readonly string[], to: number): Promise<void> {
  using operator = new Operator(addresses)
  const before = await operator.members()
  await operator.change('transferLeadership', { to }, ({ leader }) =>
    to === 0 ? leader !== before.leader : leader === to,
  )
  const { leader } = await operator.members()
  say(`Node ${leader} leads.`)
}

function promote(operator: Operator, id: number): Promise<void> {
  return operator.change('promoteMember', { id }, (seen) => find(seen, id)?.voter === true)
}

async function promoteWhenCaughtUp(operator: Operator, id: number): Promise<void> {
  let match = 0
  let movedAtMs = performance.now()
  let told = false
  for (;;) {
    try {
      return await promote(operator, id)
    } catch (error) {
      const isBehind = error instanceof RefusedError && error.code === 'NOT_READY'
      if (!isBehind || performance.now() - movedAtMs > CATCH_UP_STANDSTILL_MS) throw error
      if (!told) complain(error.message)
      told = true
    }
    await sleep(CATCH_UP_POLL_MS)
    const { matchIndex = 0 } = find(await operator.members(), id) ?? {}
    if (matchIndex > match) movedAtMs = performance.now()
    match = matchIndex
  }
}

function find({ members }: MembersSeen, id: number): MemberState | undefined {
  return members.find((member) => member.id === id)
}

type MemberState = MembersSeen['members'][number]

interface Row extends MemberState {
  readonly role: string
  readonly behind: number
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NODE', align: 'right', cell: ({ id }) => String(id) },
  { title: 'ROLE', cell: ({ role }) => role },
  { title: 'PEERS AT', cell: ({ peerAddress }) => peerAddress },
  { title: 'CLIENTS AT', cell: ({ clientAddress }) => clientAddress },
  { title: 'BEHIND', align: 'right', cell: ({ behind }) => String(behind) },
  { title: 'CONNECTED', cell: ({ connected }) => (connected ? 'yes' : 'no') },
]

export function membersText({
  leader,
  lastIndex,
  members,
  changing,
}: Omit<MembersSeen, 'leaderAddress'>): string {
  const rows = members.map((member) => ({
    ...member,
    role: member.id === leader ? 'leader' : member.voter ? 'voter' : 'learner',
    behind: lastIndex - member.matchIndex,
  }))
  const table = renderTable(COLUMNS, rows)
  return changing ? `${table}\n\nA change of the members is under way.` : table
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
