import { GrpcConnector } from '../client/grpc-connector.js'
import type { Claim, NameState } from '../client/index.js'
import { Reader } from '../client/reads.js'
import { Route } from '../client/route.js'
import { systemClock } from '../platform/clock.js'
import { random } from '../platform/random.js'
import { formatDuration } from './durations.js'
import { type Column, renderTable } from './table.js'

const PATIENCE_MS = 5_000

/** Prints the names in use that begin with `prefix`: a table, or one JSON object a line. Rejects as the client does. */
export async function showLocks(addresses: readonly string[], prefix: string, json: boolean): Promise<void> {
  const connector = new GrpcConnector()
  // Without a session: looking leaves no trace in the log.
  const reader = new Reader(
    { clock: systemClock, random, connector },
    new Route(addresses),
    PATIENCE_MS,
    () => undefined,
  )
  try {
    const names: NameState[] = []
    for await (const name of reader.list(prefix, 0)) names.push(name)
    const lines = json ? names.map((name) => JSON.stringify(name)) : [locksTable(names)]
    for (const line of lines) process.stdout.write(`${line}\n`)
  } finally {
    connector.close()
  }
}

interface Row {
  readonly name: string
  /** Undefined for a name that is only waited for. */
  readonly holder: Claim | undefined
  readonly waiting: number
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'HOLDER', cell: ({ holder }) => (holder ? who(holder) : '-') },
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
]

/** A line for each holder; a name with several has several. */
export function locksTable(names: readonly NameState[]): string {
  if (names.length === 0) return 'No locks are held or waited for.'
  const rows = names.flatMap(({ name, holders, waiting }) => {
    const shown = holders.length === 0 ? [undefined] : holders
    return shown.map((holder): Row => ({ name, holder, waiting }))
  })
  return renderTable(COLUMNS, rows)
}

function who({ label, sessionLabel, session }: Claim): string {
  const owner = sessionLabel === '' ? `session ${session}` : sessionLabel
  return label === '' ? owner : `${label} (${owner})`
}
