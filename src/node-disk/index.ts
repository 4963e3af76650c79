export { openNodeDisk } from './level-node-disk.js'
