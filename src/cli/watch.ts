import type { ChangeSeen, Sighting } from '../client/index.js'
import { looking, print, untilSignal } from './looking.js'
import { nameText } from './show.js'
import { modeOf, who } from './who.js'

/** Prints what a name is, and then each change of it, until a signal ends it. Rejects as the client does. */
export async function watchName(
  addresses: readonly string[],
  name: string,
  json: boolean,
  isAsked: (change: ChangeSeen) => boolean = () => true,
): Promise<void> {
  await looking(addresses, ({ watcher }) =>
    untilSignal(async (signal) => {
      for await (const seen of watcher.watch(name, { signal })) {
        if (seen.kind !== 'state' && !isAsked(seen)) continue
        print(json ? JSON.stringify(seen) : sightingText(seen))
      }
    }),
  )
}

function sightingText(seen: Sighting): string {
  if (seen.kind !== 'state') return changeText(seen)
  const warning = seen.gap ? '(some changes may have been missed)\n' : ''
  return `${warning}${nameText(seen.state)}\n`
}

const VERB = { queued: 'waits', granted: 'granted', updated: 'updated', left: 'left' } as const

/** One line: what happened to whom. */
export function changeText({ kind, claim, reason, revision }: ChangeSeen): string {
  const token = claim.token === 0 ? '' : `, token ${claim.token}`
  const data = claim.data === '' ? '' : `, data ${JSON.stringify(claim.data)}`
  const why = reason === '' ? '' : ` (${reason})`
  return `${revision}  ${VERB[kind]}${why}: ${who(claim)}, ${modeOf(claim)}${token}${data}`
}
