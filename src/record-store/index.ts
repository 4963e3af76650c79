export { isRecordsName } from './directories.js'
export { LevelRecordStore } from './level-record-store.js'
export { LevelStaging } from './staging.js'
export { SnapshotUnpacker } from './unpack.js'
