import { GrpcConnector } from '../../../src/client/grpc-connector.js'
import { connect } from '../../../src/client/index.js'
import type { Attack } from '../attack.js'

const WATCHES = 5_000
const BEGINNING_AT_A_TIME = 250
const CYCLES = 100
const PAUSE_MS = 50
const NAME = 'watched'

export const attack: Attack = {
  summary: `${WATCHES} clients watch one name that changes hands ${CYCLES} times, and leave all at once`,
  run: async (cluster) => {
    const leader = await cluster.leader()
    const connector = new GrpcConnector()
    const ending = new AbortController()
    let parts = 0
    let ended = 0
    const watch = async (): Promise<void> => {
      const request = { name: NAME, afterRevision: undefined }
      try {
        for await (const _ of connector.watch(cluster.clientAddress(leader.id), request, ending.signal))
          parts++
      } catch {
        if (!ending.signal.aborted) ended++
      }
    }
    const watches: Promise<void>[] = []
    while (watches.length < WATCHES) {
      const before = parts + ended
      for (let k = 0; k < BEGINNING_AT_A_TIME; k++) watches.push(watch())
      await until(() => parts + ended >= before + BEGINNING_AT_A_TIME)
    }
    const states = parts
    await using keeper = await connect(cluster.clientAddresses.join(','), { ttlMs: 30_000 })
    for (let k = 0; k < CYCLES; k++) {
      const lock = await keeper.lock(NAME)
      await lock.release()
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const told = parts - states
    ending.abort()
    await Promise.all(watches)
    return { watching: WATCHES - ended, partsTold: told }
  },
}

async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + 20_000
  while (!isTrue() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10))
}
