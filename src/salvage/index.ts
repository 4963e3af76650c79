export { Salvage } from './salvage.js'
