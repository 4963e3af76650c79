/**
 * Aborted with the first of several signals, until it is disposed of. Unlike `AbortSignal.any` it leaves nothing behind on a
 * signal that lives long, such as a keeper's or a program's own.
 */
export class AnySignal implements Disposable {
  readonly #controller = new AbortController()
  readonly #sources: readonly AbortSignal[]
  readonly #abort: () => void

  constructor(...sources: readonly (AbortSignal | undefined)[]) {
    this.#sources = sources.filter((source) => source !== undefined)
    this.#abort = () => this.#controller.abort(this.#sources.find(({ aborted }) => aborted)?.reason)
    for (const source of this.#sources) source.addEventListener('abort', this.#abort)
    if (this.#sources.some(({ aborted }) => aborted)) this.#abort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    for (const source of this.#sources) source.removeEventListener('abort', this.#abort)
  }
}
