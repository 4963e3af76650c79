import { after, before } from 'node:test'
import { type ConnectOptions, connect, type Keeper } from '../../src/client/index.js'
import { OneNode, until } from '../api/one-node.js'

export { until }

/** A real node for the tests of one suite, and clients of it, which are closed in the end. */
export class Served {
  readonly #keepers: Keeper[] = []
  #node: OneNode | undefined

  constructor() {
    before(async () => {
      this.#node = await OneNode.start()
    })
    after(async () => {
      await Promise.all(this.#keepers.map((keeper) => keeper.close()))
      await this.#node?.stop()
    })
  }

  get address(): string {
    return this.#node!.address
  }

  async connect(options: ConnectOptions = {}): Promise<Keeper> {
    const keeper = await connect(this.address, options)
    this.#keepers.push(keeper)
    return keeper
  }
}

/** Who stands in a name, in numbers: holding, waiting, joined. */
export async function crowd(keeper: Keeper, name: string): Promise<[number, number, number]> {
  const { holding, waiting, joined } = await keeper.get(name)
  return [holding, waiting, joined]
}

/** Resolves when so many wait. */
export async function waiting(keeper: Keeper, name: string, count: number): Promise<void> {
  await until(async () => (await keeper.get(name)).waiting === count)
}
