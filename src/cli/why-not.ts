import { type Keeper, LockTimeoutError, type NameState, RefusedError } from '../client/index.js'
import { formatDuration } from './durations.js'
import { CliError, EXIT } from './exit-codes.js'
import { who } from './who.js'

/** Waits for what `acquire` does; if that was in vain, the error says what stood in the way. */
export async function orWhyNot<T>(
  keeper: Keeper,
  names: readonly string[],
  acquire: () => Promise<T>,
): Promise<T> {
  try {
    return await acquire()
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error
    const reasons = await Promise.all(names.map((name) => reasonFor(keeper, name)))
    const known = reasons.filter((reason) => reason !== '')
    throw known.length === 0 ? error : new CliError(EXIT.notNow, `${error.message}. ${known.join(' ')}`)
  }
}

/** As of now, which may be another reason than a moment ago; '' if nobody can say. */
async function reasonFor(keeper: Keeper, name: string): Promise<string> {
  try {
    return reasonIn(await keeper.get(name))
  } catch (error) {
    if (error instanceof RefusedError) return ''
    throw error
  }
}

export function reasonIn({ name, suspension, restMs, holders, holding, waiting }: NameState): string {
  if (suspension !== undefined)
    return `"${name}" is suspended${suspension.note === '' ? '' : ` (${suspension.note})`}.`
  if (restMs > 0) return `"${name}" rests: it is granted to nobody for another ${formatDuration(restMs)}.`
  const [holder] = holders
  if (holder === undefined) return ''
  const others = holding > 1 ? ` and ${holding - 1} more` : ''
  return `"${name}" is held by ${who(holder)}${others}, for ${formatDuration(holder.sinceMs)}; ${waiting} wait.`
}
