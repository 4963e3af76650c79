export { openNodeDisk } from './level-node-disk.js'
export { seedNodeDisk } from './seed.js'
