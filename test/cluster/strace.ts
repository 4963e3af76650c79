import { type ChildProcess, spawn } from 'node:child_process'
import { reaper } from '../../scripts/cluster/reaper.js'
import { within } from './eventually.js'

const ATTACH_MS_MAX = 10_000
/** What makes written bytes durable, by whatever library. */
const SYNCS = 'fdatasync,fsync,msync,sync_file_range'
/** Longer than any test. */
const FOR_EVER_US = 3_600 * 1_000_000

/** What a disk may do to a process, by strace: it takes hold of the process, and changes how its system calls end. */
export class Disk implements AsyncDisposable {
  readonly #strace: ChildProcess
  readonly #ended: Promise<void>

  private constructor(strace: ChildProcess) {
    this.#strace = strace
    this.#ended = new Promise((resolve) => strace.once('close', () => resolve()))
  }

  /** Whatever the process asks to be synced is not, and stays so until `recover`. */
  static stall(pid: number): Promise<Disk> {
    return Disk.#hold(pid, `delay_enter=${FOR_EVER_US}`)
  }

  /** Whatever the process asks to be synced fails. */
  static fail(pid: number): Promise<Disk> {
    return Disk.#hold(pid, 'error=EIO')
  }

  /** Resolves when the process goes on as if nothing had happened. */
  async recover(): Promise<void> {
    this.#strace.kill('SIGTERM')
    await this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.recover()
  }

  static async #hold(pid: number, fault: string): Promise<Disk> {
    const options = ['-f', '-e', `trace=${SYNCS}`, '-e', `inject=${SYNCS}:${fault}`, '-p', String(pid)]
    const strace = spawn('strace', options, { stdio: ['ignore', 'ignore', 'pipe'] })
    reaper.watch(strace)
    const disk = new Disk(strace)
    let said = ''
    const attached = new Promise<void>((resolve, reject) => {
      strace.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (/ attached/.test(said)) resolve()
      })
      strace.once('error', reject)
      strace.once('close', () => reject(new Error(said.trim().split('\n').at(-1))))
    })
    try {
      await within('strace takes hold of the process', ATTACH_MS_MAX, attached)
    } catch (error) {
      strace.kill('SIGKILL')
      throw error
    }
    return disk
  }
}

/** Why no process can be taken hold of here, as a reason to skip a test; false if it can. */
export const NO_STRACE = await whyNot()

async function whyNot(): Promise<string | false> {
  const victim = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' })
  reaper.watch(victim)
  try {
    const disk = await Disk.fail(victim.pid!)
    await disk.recover()
    return false
  } catch (error) {
    return `needs strace, and leave to trace processes (${error instanceof Error ? error.message : error})`
  } finally {
    victim.kill('SIGKILL')
  }
}
