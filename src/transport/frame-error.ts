/** What came over the wire is not what a peer of this version says. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}
