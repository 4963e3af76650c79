import { Claims } from '../../src/machine/claims.js'
import { limitReached } from '../../src/machine/language/refusals.js'

/**
 * Loaded before a node (`node --import`), makes its machine refuse what those of its peers grant: every claim on the name
 * in REFUSED_NAME. A bug that only one node has, as a bad memory chip or another build of the program would give it.
 */
const { checkRoom } = Claims.prototype
Claims.prototype.checkRoom = function (acquire) {
  if (acquire.names.includes(process.env.REFUSED_NAME ?? '')) return limitReached('claims of this name', 0)
  return checkRoom.call(this, acquire)
}
