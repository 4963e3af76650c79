import { assertText, toCount } from './asking.js'
import type { Core } from './core.js'
import { toWholeMs } from './options.js'

export interface InterventionOptions {
  /** For people: why, and who. */
  readonly note?: string
}

export interface HolderOptions extends InterventionOptions {
  /** Of one holder or member; by default all holders. */
  readonly token?: number
}

export interface SuspendOptions extends InterventionOptions {
  /** For so long, in ms; by default until somebody resumes it. */
  readonly forMs?: number
}

/** Ends claims that are held. Resolves with how many. */
export async function forceRelease(core: Core, name: string, options: HolderOptions): Promise<number> {
  return await core.perform({ $case: 'forceRelease', value: holdersOf(name, options) })
}

/** Asks holders to release. Resolves with how many were asked. */
export async function requestRelease(core: Core, name: string, options: HolderOptions): Promise<number> {
  return await core.perform({ $case: 'requestRelease', value: holdersOf(name, options) })
}

/** Grants nothing more. Resolves with how many hold it, who are asked to release. */
export async function suspend(
  core: Core,
  name: string,
  { forMs, note = '' }: SuspendOptions,
): Promise<number> {
  assertTexts(name, note)
  const limitMs = forMs === undefined ? undefined : toWholeMs('forMs', forMs)
  return await core.perform({ $case: 'suspend', value: { name, forMs: limitMs, note } })
}

export async function resume(core: Core, name: string, { note = '' }: InterventionOptions): Promise<void> {
  assertTexts(name, note)
  await core.perform({ $case: 'resume', value: { name, note } })
}

function holdersOf(name: string, { token = 0, note = '' }: HolderOptions) {
  assertTexts(name, note)
  return { name, token: toCount('token', token, Number.MAX_SAFE_INTEGER), note }
}

function assertTexts(name: string, note: string): void {
  assertText('a name', name)
  assertText('a note', note)
}
