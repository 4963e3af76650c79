export { beginNewLife, hasLostPromises, othersOf } from './new-life.js'
export { rejoin } from './rejoin.js'
