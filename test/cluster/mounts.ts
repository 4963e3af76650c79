import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BYTES_PER_MIB = 1024 * 1024
/** Unmounts at the end of its input, be it that we close it or that we are no more. */
const UNMOUNT = 'trap "" HUP INT QUIT TERM; cat >/dev/null; umount -l "$1"'

/** A file system on a directory, which is created; it does not outlive this process. */
class Mount implements AsyncDisposable {
  readonly #guardian: ChildProcess

  /** Throws with what `mount` says. */
  constructor(directory: string, type: string, options: string, device: string) {
    mkdirSync(directory, { recursive: true })
    execFileSync('mount', ['-t', type, '-o', options, device, directory], { stdio: 'pipe' })
    this.#guardian = spawn('/bin/sh', ['-c', UNMOUNT, 'unmount', directory], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#guardian.unref()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const over = once(this.#guardian, 'exit')
    this.#guardian.ref()
    this.#guardian.stdin?.end()
    await over
  }
}

/** A disk of a few MiB, in memory, that can be filled. */
export class SmallDisk implements AsyncDisposable {
  readonly #directory: string
  readonly #mount: Mount

  constructor(directory: string, mib: number) {
    this.#directory = directory
    this.#mount = new Mount(directory, 'tmpfs', `size=${mib}m`, 'tmpfs')
  }

  /** Somebody else's file takes what is free, but for so much. */
  async fill(freeMib: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directory)
    await writeFile(this.#ballast, Buffer.alloc(bavail * bsize - freeMib * BYTES_PER_MIB))
  }

  makeRoom(): Promise<void> {
    return rm(this.#ballast, { force: true })
  }

  get #ballast(): string {
    return join(this.#directory, 'ballast')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#mount[Symbol.asyncDispose]()
  }
}

/** Sparse; more than a node keeps in reserve. */
const IMAGE_MIB = 192
/** Nothing reaches the image by itself: neither by the journal's clock, nor because a file was replaced by another. */
const LAZY = 'loop,commit=300,noauto_da_alloc'

/**
 * A disk that loses power: an ext4 in an image. What the page cache above it has and was not synced is not in the image, and
 * what is in the image when the power goes is all that there is afterwards.
 */
export class PowerDisk implements AsyncDisposable {
  readonly #directory: string
  readonly #image: string
  #mount: Mount
  #cuts = 0

  /** `image`: a file to be created; more will be, with names that begin the same. */
  constructor(directory: string, image: string) {
    this.#directory = directory
    this.#image = image
    writeFileSync(image, '')
    truncateSync(image, IMAGE_MIB * BYTES_PER_MIB)
    execFileSync('mkfs.ext4', ['-q', '-F', image], { stdio: 'pipe' })
    this.#mount = new Mount(directory, 'ext4', LAZY, image)
  }

  /** The processes that write to it must have been killed. */
  async cut(): Promise<void> {
    const before = this.#cuts === 0 ? this.#image : `${this.#image}-${this.#cuts}`
    const after = `${this.#image}-${++this.#cuts}`
    execFileSync('cp', ['--sparse=always', before, after])
    await this.#mount[Symbol.asyncDispose]()
    this.#mount = new Mount(this.#directory, 'ext4', LAZY, after)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#mount[Symbol.asyncDispose]()
  }
}

/** Why these disks can't be had here, as a reason to skip a test; false if they can. */
export const NO_SMALL_DISKS = await whyNot((root) => new SmallDisk(join(root, 'small'), 1))
export const NO_POWER_DISKS = await whyNot((root) => new PowerDisk(join(root, 'disk'), join(root, 'image')))

async function whyNot(make: (root: string) => AsyncDisposable): Promise<string | false> {
  const root = mkdtempSync(join(tmpdir(), 'lockkeeper-mount-'))
  try {
    await make(root)[Symbol.asyncDispose]()
    return false
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error)
      .split('\n')
      .slice(-2)
    return `needs root, and leave to mount file systems (${reason})`
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
