import type { Claim, Intervention, NameState } from '../client/index.js'
import type { Reader } from '../client/reads.js'
import { formatDuration } from './durations.js'
import { looking, print } from './looking.js'
import { type Column, renderTable } from './table.js'
import { modeOf, who } from './who.js'

/** A name with all who stand in it, however many. */
type Whole = NameState

/** Prints all there is to know of one name: for people, or as one JSON object. Rejects as the client does. */
export async function showName(addresses: readonly string[], name: string, json: boolean): Promise<void> {
  await looking(addresses, async ({ reader }) => {
    const state = await whole(reader, await reader.get(name))
    print(json ? JSON.stringify(state) : nameText(state))
  })
}

/** The state shows the first of each line; each line is then read on its own, and may be a little newer. */
async function whole(reader: Reader, state: NameState): Promise<Whole> {
  const all = async (line: 'holders' | 'waiters' | 'members', shown: Claim[], count: number) =>
    shown.length === count ? shown : await collect(reader.claims(state.name, line))
  const holders = await all('holders', state.holders, state.holding)
  const waiters = await all('waiters', state.waiters, state.waiting)
  const members = await all('members', state.members, state.joined)
  return { ...state, holders, waiters, members }
}

async function collect(claims: AsyncIterable<Claim>): Promise<Claim[]> {
  const all: Claim[] = []
  for await (const claim of claims) all.push(claim)
  return all
}

export function nameText(state: Whole): string {
  const { holders, waiters, members } = state
  const parts = [
    heading(state),
    usageText(state.usage),
    holders.length === 0 ? '' : `HELD BY\n${renderTable(HOLDERS, holders)}`,
    waiters.length === 0 ? '' : `WAITING, the next first\n${renderTable(WAITERS, waiters.map(numbered))}`,
    members.length === 0
      ? ''
      : `MEMBERS, in the order in which they joined\n${renderTable(MEMBERS, members)}`,
    state.interventions.length === 0
      ? ''
      : `DONE ABOUT IT, the newest last\n${renderTable(INTERVENTIONS, state.interventions)}`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function heading(state: Whole): string {
  const { name, holding, waiting, joined, restMs, suspension, kept } = state
  const counts = `"${name}": ${holding} hold it, ${waiting} wait, ${joined} are members.`
  const lines = [
    counts,
    restMs === 0 ? '' : `It rests: nothing is granted for ${formatDuration(restMs)}.`,
    suspension === undefined ? '' : suspensionText(suspension),
    kept === undefined
      ? ''
      : `Done with token ${kept.token}; the result is kept for ${formatDuration(kept.leftMs)}: ${kept.data}`,
  ]
  return lines.filter((line) => line !== '').join('\n')
}

function suspensionText({ leftMs, note }: NonNullable<NameState['suspension']>): string {
  const until = leftMs === undefined ? 'until it is resumed' : `for ${formatDuration(leftMs)}`
  return `It is suspended: nothing is granted ${until}${note === '' ? '' : ` (${note})`}.`
}

/** As the node has seen it that answered. */
function usageText(usage: NameState['usage']): string {
  if (usage === undefined || usage.grants + usage.leaves + usage.gaveUp === 0) return ''
  const { grants, waitedMs, waitedMsMax, leaves, heldMs, heldMsMax, gaveUp } = usage
  const waited = `after ${formatDuration(mean(waitedMs, grants))} on average, ${formatDuration(waitedMsMax)} at most`
  const held = `${formatDuration(mean(heldMs, leaves))} on average, ${formatDuration(heldMsMax)} at most`
  const parts = [
    grants === 0 ? '' : `Granted ${grants === 1 ? 'once' : `${grants} times`}, ${waited}.`,
    leaves === 0 ? '' : `Held for ${held}.`,
    gaveUp === 0 ? '' : `${gaveUp} left without it.`,
  ].filter((part) => part !== '')
  return `USAGE, as one node has seen it\n${parts.join('\n')}`
}

function mean(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count
}

const WHO: Column<Claim> = { title: 'WHO', cell: who }
const MODE: Column<Claim> = { title: 'MODE', cell: modeOf }
const TOKEN: Column<Claim> = { title: 'TOKEN', align: 'right', cell: ({ token }) => String(token) }
const TTL_LEFT: Column<Claim> = {
  title: 'TTL LEFT',
  align: 'right',
  cell: ({ ttlLeftMs }) => formatDuration(ttlLeftMs),
}
const DATA: Column<Claim> = { title: 'DATA', cell: ({ data }) => data }

function since(title: string): Column<Claim> {
  return { title, align: 'right', cell: ({ sinceMs }) => formatDuration(sinceMs) }
}

const HOLDERS: readonly Column<Claim>[] = [
  WHO,
  MODE,
  TOKEN,
  since('HELD FOR'),
  TTL_LEFT,
  { title: 'SEATS', cell: ({ seats }) => seats.join(' ') },
  DATA,
]

const MEMBERS: readonly Column<Claim>[] = [WHO, TOKEN, since('JOINED'), TTL_LEFT, DATA]

interface Numbered extends Claim {
  readonly place: number
}

function numbered(claim: Claim, index: number): Numbered {
  return { ...claim, place: index + 1 }
}

const WAITERS: readonly Column<Numbered>[] = [
  { title: '#', align: 'right', cell: ({ place }) => String(place) },
  WHO,
  MODE,
  since('WAITS FOR'),
  { title: 'PRIORITY', align: 'right', cell: ({ priority }) => String(priority) },
  { title: 'CLAIM', align: 'right', cell: ({ id }) => String(id) },
  TTL_LEFT,
  DATA,
]

const INTERVENTIONS: readonly Column<Intervention>[] = [
  { title: 'WHAT', cell: ({ kind }) => kind },
  { title: 'AGO', align: 'right', cell: ({ agoMs }) => formatDuration(agoMs) },
  { title: 'TOKEN', align: 'right', cell: ({ token }) => (token === 0 ? '-' : String(token)) },
  { title: 'BY SESSION', align: 'right', cell: ({ session }) => String(session) },
  { title: 'NOTE', cell: ({ note }) => note },
]
