import type { Page } from '../machine/inspection/views.js'
import { LIMITS } from '../machine/language/limits.js'

/** Of `more`, beside what a page shows. */
const MORE_BYTES = 2

/** As much of a page as fits a message, and at least one. `bytesOf` counts what one takes in the page. */
export function fitting<View, State>(
  page: Page<View>,
  show: (view: View) => State,
  bytesOf: (state: State) => number,
): { readonly shown: State[]; readonly more: boolean } {
  const shown: State[] = []
  let bytes = MORE_BYTES
  for (const view of page.views) {
    const state = show(view)
    bytes += bytesOf(state)
    if (shown.length > 0 && bytes > LIMITS.pageBytesMax) return { shown, more: true }
    shown.push(state)
  }
  return { shown, more: page.more }
}
