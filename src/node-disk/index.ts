export { ownerOf } from '../log-store/index.js'
export { openNodeDisk } from './level-node-disk.js'
export { openView } from './view.js'
