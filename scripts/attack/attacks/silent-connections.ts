import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { openSocket } from '../raw-http2.js'

const PER_PORT = 140
const ATTACK_MS = 15_000

/** LevelDB could not open its next file, and every node stopped itself. */
export const attack: Attack = {
  summary: `${PER_PORT} connections to each port of nodes that may open 150 files and sockets, and not a word on them`,
  descriptorsMax: 150,
  run: async (cluster: LocalCluster) => {
    const sockets: Socket[] = []
    for (let k = 0; k < PER_PORT; k++) {
      const opened = await Promise.allSettled(
        [...cluster.clientAddresses, ...cluster.peerAddresses].map(openSocket),
      )
      for (const each of opened) if (each.status === 'fulfilled') sockets.push(each.value)
    }
    for (const socket of sockets) socket.on('error', () => undefined).resume()
    await sleep(ATTACK_MS)
    const stillOpen = sockets.filter(({ destroyed }) => !destroyed).length
    for (const socket of sockets) socket.destroy()
    return { opened: sockets.length, stillOpen }
  },
}
