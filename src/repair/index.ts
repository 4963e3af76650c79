export { rejoin } from './rejoin.js'
export { hasLostPromises, repair } from './repair.js'
