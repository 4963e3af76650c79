import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** The last one that knew nothing of feature levels: level 0. */
const COMMIT = '0b581deb81770a8e2d602c941d5d9a29f504d788'

/** Why it can't be built here, as a reason to skip a test; false if it can. */
export const NO_HISTORY =
  spawnSync('git', ['cat-file', '-e', `${COMMIT}^{commit}`], { cwd: ROOT }).status !== 0 &&
  'this checkout has no history (git) to build the earlier version from'

/** A build of an earlier version, in a directory of its own. */
export class EarlierVersion implements AsyncDisposable {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async build(): Promise<EarlierVersion> {
    const directory = await mkdtemp(join(tmpdir(), 'lockkeeper-earlier-'))
    const version = new EarlierVersion(directory)
    try {
      const archive = join(directory, 'archive.tar')
      await run('git', ['archive', '--output', archive, '--prefix', 'lockkeeper/', COMMIT], { cwd: ROOT })
      await run('tar', ['-xf', archive], { cwd: directory })
      await symlink(join(ROOT, 'node_modules'), join(version.#checkout, 'node_modules'))
      await run(process.execPath, [join(ROOT, 'node_modules/.bin/tsc'), '-b'], { cwd: version.#checkout })
      return version
    } catch (error) {
      await version[Symbol.asyncDispose]()
      throw error
    }
  }

  get main(): string {
    return join(this.#checkout, 'dist/src/cli/main.js')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  get #checkout(): string {
    return join(this.#directory, 'lockkeeper')
  }
}
