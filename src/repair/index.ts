export { rejoin } from './rejoin.js'
export { hasLostPromises, othersOf, repair } from './repair.js'
