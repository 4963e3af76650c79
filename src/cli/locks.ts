import type { Claim, NameState } from '../client/index.js'
import { formatDuration } from './durations.js'
import { looking, print } from './looking.js'
import { type Column, renderTable } from './table.js'
import { modeOf, who } from './who.js'

/** Names in one table; what comes after them is another, so that a million of them need no room. */
const TABLE_NAMES = 1_000

/** Prints the names in use that begin with `prefix`: tables, or one JSON object a line. Rejects as the client does. */
export async function showLocks(addresses: readonly string[], prefix: string, json: boolean): Promise<void> {
  await looking(addresses, async ({ reader }) => {
    let names: NameState[] = []
    let tables = 0
    for await (const name of reader.list(prefix, 0)) {
      if (json) print(JSON.stringify(name))
      else if (names.push(name) === TABLE_NAMES) {
        print(locksTable(names))
        names = []
        tables++
      }
    }
    if (!json && (names.length > 0 || tables === 0)) print(locksTable(names))
  })
}

interface Row {
  readonly name: string
  /** Undefined for a name that is only waited for, or has members only. */
  readonly holder: Claim | undefined
  /** What to say instead. */
  readonly unheld: string
  readonly waiting: number
  readonly joined: number
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'HOLDER', cell: ({ holder, unheld }) => (holder ? who(holder) : unheld) },
  { title: 'MODE', cell: ({ holder }) => (holder ? modeOf(holder) : '-') },
  { title: 'TOKEN', align: 'right', cell: ({ holder }) => (holder ? String(holder.token) : '-') },
  {
    title: 'HELD FOR',
    align: 'right',
    cell: ({ holder }) => (holder ? formatDuration(holder.sinceMs) : '-'),
  },
  {
    title: 'TTL LEFT',
    align: 'right',
    cell: ({ holder }) => (holder ? formatDuration(holder.ttlLeftMs) : '-'),
  },
  { title: 'WAITING', align: 'right', cell: ({ waiting }) => String(waiting) },
  { title: 'MEMBERS', align: 'right', cell: ({ joined }) => String(joined) },
]

/** A line for each holder; a name with several has several. */
export function locksTable(names: readonly NameState[]): string {
  if (names.length === 0) return 'No locks are held or waited for.'
  const rows = names.flatMap((state) => {
    const { name, holders, waiting, joined } = state
    const shown = holders.length === 0 ? [undefined] : holders
    return shown.map((holder): Row => ({ name, holder, unheld: unheld(state), waiting, joined }))
  })
  return renderTable(COLUMNS, rows)
}

function unheld({ suspension, restMs, kept }: NameState): string {
  if (suspension !== undefined) return '(suspended)'
  if (restMs > 0) return `(rests ${formatDuration(restMs)})`
  return kept === undefined ? '-' : '(done)'
}
