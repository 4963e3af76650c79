import { GrpcConnector } from '../client/grpc-connector.js'
import type { Connector, GetStatusResponse } from '../client/index.js'
import { EXIT } from './exit-codes.js'
import { messageOf } from './failures.js'
import { type Column, renderTable } from './table.js'

/** An answer this late is as good as none to a person who waits. */
const ANSWER_MS_MAX = 2_000

/** What one address had to say. */
export type Report =
  | { readonly address: string; readonly status: GetStatusResponse }
  | { readonly address: string; readonly problem: string }

/** Asks every node and prints the cluster: a table, or one JSON object. Resolves with the exit code. */
export async function showStatus(addresses: readonly string[], json: boolean): Promise<number> {
  const connector = new GrpcConnector()
  const reports = await askAll(connector, addresses)
  connector.close()
  const text = json ? JSON.stringify(statusJson(reports)) : statusText(reports)
  process.stdout.write(`${text}\n`)
  return leaderOf(reports) === undefined ? EXIT.unavailable : 0
}

/** The addresses given, and then those of the members that the nodes there know of. */
export async function askAll(
  connector: Pick<Connector, 'call'>,
  addresses: readonly string[],
  asked: Set<string> = new Set(),
): Promise<Report[]> {
  const fresh = [...new Set(addresses)].filter((address) => !asked.has(address))
  if (fresh.length === 0) return []
  for (const address of fresh) asked.add(address)
  const reports = await Promise.all(fresh.map((address) => askOne(connector, address)))
  return [...reports, ...(await askAll(connector, reports.flatMap(membersKnownTo), asked))]
}

async function askOne(connector: Pick<Connector, 'call'>, address: string): Promise<Report> {
  try {
    return { address, status: await connector.call(address, 'getStatus', {}, ANSWER_MS_MAX) }
  } catch (error) {
    return { address, problem: `${address} did not answer (${messageOf(error)})` }
  }
}

function membersKnownTo(report: Report): string[] {
  const members = 'status' in report ? (report.status.topology?.members ?? []) : []
  return members.map(({ clientAddress }) => clientAddress).filter((address) => address !== '')
}

/** The one of the highest term: an older one that is cut off may not know yet that it is deposed (thesis §6.4). */
export function leaderOf(reports: readonly Report[]): GetStatusResponse | undefined {
  const leaders = reports.flatMap((report) =>
    'status' in report && report.status.role === 'leader' ? [report.status] : [],
  )
  return leaders.sort((one, other) => other.term - one.term)[0]
}

/** A line of the table: a member, or an address about which nothing is known. */
interface Row {
  readonly id: number | undefined
  readonly address: string
  readonly status: GetStatusResponse | undefined
  readonly role: string
}

/** By its own word, unless the leader's says otherwise: it may have been removed, or never have been let in. */
function roleOf(status: GetStatusResponse | undefined, leader: GetStatusResponse | undefined): string {
  if (status === undefined) return 'unreachable'
  if (leader === undefined) return status.role
  if (status.clusterId !== leader.clusterId) return `of ${status.clusterId}`
  if (!leader.topology?.members.some(({ id }) => id === status.nodeId)) return 'no member'
  return status.role === 'leader' && status.nodeId !== leader.nodeId ? 'leads alone' : status.role
}

/** The members, as far as any node that answered knows them; the addresses themselves if none did. */
function rowsOf(reports: readonly Report[]): Row[] {
  const statuses = reports.flatMap((report) => ('status' in report ? [report.status] : []))
  if (statuses.length === 0) {
    const unknown = { id: undefined, status: undefined, role: roleOf(undefined, undefined) }
    return reports.map(({ address }) => ({ ...unknown, address }))
  }
  const members = new Map<number, string>()
  for (const report of reports) if ('status' in report) members.set(report.status.nodeId, report.address)
  for (const { id, clientAddress } of statuses.flatMap(({ topology }) => topology?.members ?? [])) {
    members.set(id, clientAddress)
  }
  const leader = leaderOf(reports)
  const rows = [...members].map(([id, address]) => {
    const status = statuses.find(({ nodeId }) => nodeId === id)
    return { id, address, status, role: roleOf(status, leader) }
  })
  return rows.sort((one, other) => one.id - other.id)
}

const figure = (title: string, pick: (status: GetStatusResponse) => number): Column<Row> => {
  return { title, align: 'right', cell: ({ status }) => (status ? String(pick(status)) : '-') }
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NODE', align: 'right', cell: ({ id }) => String(id ?? '?') },
  { title: 'ADDRESS', cell: ({ address }) => address },
  { title: 'ROLE', cell: ({ role }) => role },
  figure('TERM', ({ term }) => term),
  figure('COMMITTED', ({ commitIndex }) => commitIndex),
  figure('APPLIED', ({ appliedIndex }) => appliedIndex),
  figure('SESSIONS', ({ sessions }) => sessions),
  figure('NAMES', ({ names }) => names),
  { title: 'DISK', align: 'right', cell: ({ status }) => roomOf(status, 'disk') },
  { title: 'HEAP', align: 'right', cell: ({ status }) => roomOf(status, 'memory') },
  { title: 'VERSION', cell: ({ status }) => status?.version ?? '-' },
]

/** What is left above the reserve: nothing new is taken from 0 on. A former version does not say. */
function roomOf(status: GetStatusResponse | undefined, resource: string): string {
  const reserve = status?.reserves.find((each) => each.resource === resource)
  if (reserve === undefined) return '-'
  const mib = Math.floor((reserve.freeBytes - reserve.reserveBytes) / (1024 * 1024))
  return `${Math.max(0, mib)} MiB`
}

export function statusText(reports: readonly Report[]): string {
  return `${verdict(reports)}\n\n${renderTable(COLUMNS, rowsOf(reports))}`
}

function verdict(reports: readonly Report[]): string {
  const leader = leaderOf(reports)
  if (leader !== undefined)
    return `Cluster ${leader.clusterId}: node ${leader.nodeId} leads in term ${leader.term}.`
  const problems = reports.flatMap((report) => ('problem' in report ? [report.problem] : []))
  if (problems.length < reports.length) {
    return 'There is no leader: locks can be neither taken nor released. Start nodes until a majority can reach each other.'
  }
  return `${problems.join('.\n')}.\nNo node answered. Check --connect, and that the nodes are running.`
}

export function statusJson(reports: readonly Report[]): object {
  const leader = leaderOf(reports)
  const nodes = rowsOf(reports).map(({ id, address, status }) => {
    const { topology: _, clusterId: __, nodeId: ___, ...figures } = status ?? {}
    return { id: id ?? null, address, reachable: status !== undefined, ...figures }
  })
  return {
    cluster: leader?.clusterId ?? null,
    leader: leader?.nodeId ?? null,
    term: leader?.term ?? null,
    nodes,
  }
}
