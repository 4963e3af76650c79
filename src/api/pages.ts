import type { Page } from '../machine/inspection/views.js'
import { LIMITS } from '../machine/language/limits.js'

/** What a page shows, names and claims together: it takes some milliseconds to make. */
const SHOWN_MAX = 1_000

/**
 * As much of a page as fits a message and may be shown at once, at least one item, encoded. Each item is encoded once, as a
 * response that has nothing else: one after the other they are the encoding of the response that has them all.
 */
export function encodedPage<View>(
  page: Page<View>,
  encode: (shown: readonly View[], more: boolean) => Uint8Array,
  claimsIn: (view: View) => number,
): Buffer {
  const parts: Uint8Array[] = []
  let bytes = 0
  let shown = 0
  for (const view of page.views) {
    if (shown >= SHOWN_MAX) return joined(parts, encode([], true))
    const part = encode([view], false)
    bytes += part.length
    if (parts.length > 0 && bytes > LIMITS.pageBytesMax) return joined(parts, encode([], true))
    parts.push(part)
    shown += 1 + claimsIn(view)
  }
  return joined(parts, encode([], page.more))
}

function joined(parts: readonly Uint8Array[], last: Uint8Array): Buffer {
  return Buffer.concat([...parts, last])
}
