import { LIMITS } from '../machine/language/limits.js'
import type { PortLimits } from '../platform/port/index.js'
import { LockkeeperService } from '../protocol/lockkeeper.js'

/** What the clients of a node may cost; `connectionsMax` follows from the descriptors of the process. */
export function clientPortLimits(connectionsMax: number): PortLimits {
  return {
    connectionsMax,
    connectionsPerAddressMax: Math.ceil(connectionsMax * LIMITS.connectionsPerAddressPart),
    callsMax: LIMITS.callsMax,
    callsPerConnectionMax: LIMITS.callsPerConnectionMax,
    bufferedBytesMax: LIMITS.bufferedBytesMax,
    bufferedBytesPerConnectionMax: LIMITS.bufferedBytesPerConnectionMax,
    messageBytesMax: (path) => (path === LockkeeperService.attach.path ? FRAMES : REQUESTS),
    silentMsMax: LIMITS.silentMsMax,
    idleMsMax: LIMITS.idleMsMax,
    messageMsMax: LIMITS.messageMsMax,
    untakenMsMax: LIMITS.untakenMsMax,
  }
}

const FRAMES = { first: LIMITS.frameBytesMax, later: LIMITS.frameBytesMax }
const REQUESTS = { first: LIMITS.unaryRequestBytesMax, later: LIMITS.unaryRequestBytesMax }
