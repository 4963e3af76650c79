export type { Identity } from './format.js'
export type { LevelLogStore } from './level-log-store.js'
export { openLevelLog } from './open.js'
