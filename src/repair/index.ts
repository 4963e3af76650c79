export { type FencedNode, watchFencedOff } from './fenced-off.js'
export { rejoin } from './rejoin.js'
export { hasLostPromises, repair } from './repair.js'
