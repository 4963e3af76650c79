export { ownerOf } from '../log-store/index.js'
export { type LevelNodeDisk, openNodeDisk } from './level-node-disk.js'
export { seedNodeDisk } from './seed.js'
export { openView } from './view.js'
