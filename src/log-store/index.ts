export { DamagedLogError } from '../replica/ports.js'
export { FailedDiskError, ForeignDataError, LockedDirectoryError, UnusableDirectoryError } from './errors.js'
export type { Identity } from './format.js'
export { openLevelLogStore } from './open.js'
