import type { SessionState } from '../client/index.js'
import { formatDuration } from './durations.js'
import { looking, print } from './looking.js'
import { type Column, renderTable } from './table.js'

const COLUMNS: readonly Column<SessionState>[] = [
  { title: 'SESSION', align: 'right', cell: ({ id }) => String(id) },
  { title: 'WHO', cell: ({ label }) => label },
  { title: 'OPEN FOR', align: 'right', cell: ({ openMs }) => formatDuration(openMs) },
  { title: 'TTL', align: 'right', cell: ({ ttlMs }) => formatDuration(ttlMs) },
  { title: 'TTL LEFT', align: 'right', cell: ({ ttlLeftMs }) => formatDuration(ttlLeftMs) },
  { title: 'HOLDS', align: 'right', cell: ({ holding }) => String(holding) },
  { title: 'WAITS', align: 'right', cell: ({ waiting }) => String(waiting) },
]

/** Sessions in one table. */
const TABLE_SESSIONS = 1_000

/** Prints the sessions that live: tables, or one JSON object a line. Rejects as the client does. */
export async function showSessions(addresses: readonly string[], json: boolean): Promise<void> {
  await looking(addresses, async ({ reader }) => {
    let sessions: SessionState[] = []
    let tables = 0
    for await (const session of reader.sessions()) {
      if (json) print(JSON.stringify(session))
      else if (sessions.push(session) === TABLE_SESSIONS) {
        print(renderTable(COLUMNS, sessions))
        sessions = []
        tables++
      }
    }
    if (json || (sessions.length === 0 && tables > 0)) return
    print(sessions.length === 0 ? 'No sessions are open.' : renderTable(COLUMNS, sessions))
  })
}
