import type { Claim } from '../client/index.js'
import { formatDuration } from './durations.js'
import { connected, holdUntilSignal, runAndRelease } from './holding.js'
import { looking, print } from './looking.js'
import { type Column, renderTable } from './table.js'
import { watchName } from './watch.js'
import { who } from './who.js'

export interface JoinRequest {
  /** host:port, separated by commas. */
  readonly addresses: string
  readonly name: string
  readonly data: string
  /** Empty: none; it stays until a signal ends it. */
  readonly command: readonly string[]
  readonly ttlMs: number
  readonly label: string
}

/** Joins, and stays while a command runs; resolves with the exit code. */
export function joinQueue({ addresses, name, data, command, ttlMs, label }: JoinRequest): Promise<number> {
  return connected({ addresses, ttlMs, what: `"${name}"` }, async (keeper, relay) => {
    const group = keeper.group(name)
    const membership = await group.join(data, { label, signal: relay.stopped })
    if (command.length === 0) {
      const ahead = await group.ahead(membership)
      print(`joined "${name}" with token ${membership.token}, behind ${ahead.length} others`)
      return await holdUntilSignal(membership, ttlMs, relay)
    }
    const environment = { LOCKKEEPER_NAME: name, LOCKKEEPER_TOKEN: String(membership.token) }
    return await runAndRelease(membership, { command, ttlMs, environment }, relay)
  })
}

const COLUMNS: readonly Column<Claim>[] = [
  { title: 'TOKEN', align: 'right', cell: ({ token }) => String(token) },
  { title: 'WHO', cell: who },
  { title: 'JOINED', align: 'right', cell: ({ sinceMs }) => formatDuration(sinceMs) },
  { title: 'TTL LEFT', align: 'right', cell: ({ ttlLeftMs }) => formatDuration(ttlLeftMs) },
  { title: 'DATA', cell: ({ data }) => data },
]

/** Prints the members in order: a table, or one JSON object a line. Rejects as the client does. */
export async function listQueue(addresses: readonly string[], name: string, json: boolean): Promise<void> {
  await looking(addresses, async ({ reader }) => {
    const members: Claim[] = []
    for await (const member of reader.claims(name, 'members')) {
      if (json) print(JSON.stringify(member))
      else members.push(member)
    }
    if (json) return
    print(members.length === 0 ? `"${name}" has no members.` : renderTable(COLUMNS, members))
  })
}

/** Prints the members, and then who comes and goes, until a signal ends it. */
export function watchQueue(addresses: readonly string[], name: string, json: boolean): Promise<void> {
  return watchName(addresses, name, json, ({ claim }) => claim.mode === 'member')
}
