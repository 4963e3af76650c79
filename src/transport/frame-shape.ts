import { FrameError } from './frame-error.js'
import { FRAME_DEPTH_MAX, FRAME_VALUES_MAX } from './limits.js'

/** First bytes of values that say their size: in how many bytes, and whether it is that of an array; see msgpack's specification. */
const SIZED: ReadonlyMap<number, { readonly sizeBytes: 1 | 2 | 4; readonly isArray: boolean }> = new Map([
  [0xc4, { sizeBytes: 1, isArray: false }],
  [0xc5, { sizeBytes: 2, isArray: false }],
  [0xc6, { sizeBytes: 4, isArray: false }],
  [0xd9, { sizeBytes: 1, isArray: false }],
  [0xda, { sizeBytes: 2, isArray: false }],
  [0xdb, { sizeBytes: 4, isArray: false }],
  [0xdc, { sizeBytes: 2, isArray: true }],
  [0xdd, { sizeBytes: 4, isArray: true }],
])
/** Bytes of the other values: nil, flags, floats and whole numbers. */
const FIXED: ReadonlyMap<number, number> = new Map([
  [0xc0, 1],
  [0xc2, 1],
  [0xc3, 1],
  [0xca, 5],
  [0xcb, 9],
  [0xcc, 2],
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2],
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
])

interface Head {
  /** Of the value; of an array, without what is in it. */
  readonly bytes: number
  /** Values in the array that begins here. */
  readonly children: number
}

/**
 * Throws a `FrameError` unless the bytes are one msgpack value of the kinds that peers send, with no more values in it than a
 * frame has: to make them costs many times the bytes that a false frame spends. Only reads the head of each, and makes none.
 */
export function checkShape(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  /** Values that each open array still lacks, the innermost last. */
  const lacking: number[] = []
  let at = 0
  let values = 0
  do {
    if (++values > FRAME_VALUES_MAX) throw new FrameError(`more than ${FRAME_VALUES_MAX} values`)
    const { bytes, children } = headOf(view, at)
    at += bytes
    if (at > frame.length) throw new FrameError('it ends within a value')
    if (lacking.length > 0) lacking[lacking.length - 1]!--
    if (children > 0) lacking.push(children)
    if (lacking.length > FRAME_DEPTH_MAX) throw new FrameError(`arrays more than ${FRAME_DEPTH_MAX} deep`)
    while (lacking.at(-1) === 0) lacking.pop()
  } while (lacking.length > 0)
  if (at < frame.length) throw new FrameError(`${frame.length - at} bytes too many`)
}

function headOf(view: DataView, at: number): Head {
  if (at >= view.byteLength) throw new FrameError('it ends within an array')
  const first = view.getUint8(at)
  if (first <= 0x7f || first >= 0xe0) return { bytes: 1, children: 0 }
  if (first >= 0x90 && first <= 0x9f) return { bytes: 1, children: first & 0x0f }
  if (first >= 0xa0 && first <= 0xbf) return { bytes: 1 + (first & 0x1f), children: 0 }
  const fixed = FIXED.get(first)
  if (fixed !== undefined) return { bytes: fixed, children: 0 }
  const sized = SIZED.get(first)
  if (sized === undefined) throw new FrameError(`a value of kind 0x${first.toString(16)}`)
  const { sizeBytes, isArray } = sized
  if (at + 1 + sizeBytes > view.byteLength) throw new FrameError('it ends within a value')
  const size = unsigned(view, at + 1, sizeBytes)
  return isArray ? { bytes: 1 + sizeBytes, children: size } : { bytes: 1 + sizeBytes + size, children: 0 }
}

function unsigned(view: DataView, at: number, bytes: 1 | 2 | 4): number {
  if (bytes === 1) return view.getUint8(at)
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at)
}
