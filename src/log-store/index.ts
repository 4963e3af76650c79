export type { DiskIdentity, Identity } from './format.js'
export type { LevelLogStore } from './level-log-store.js'
export { LOG_DATABASE, openLevelLog, ownerOf } from './open.js'
export { FILE as WITNESS } from './witness.js'
