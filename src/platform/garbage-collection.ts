import { setFlagsFromString } from 'node:v8'

/**
 * How V8 is to collect the garbage of a node, whose heap is large, lives long and must not stand still. To be called once,
 * before there is much in it.
 *
 * V8 marks what lives in the background, and in steps on the thread of the event loop: in a task of its own, and each time
 * that 64 KiB more were allocated. The task sets a pace at which all is marked in half a second; as soon as the
 * background is slower than that, as it is with a gigabyte and few processors, each step takes 1.5 ms instead of 0.1, and a turn of
 * the event loop has many of them: up to 213 ms of work in one turn with 1,000,000 locks. Without the task the pace is that of
 * what is allocated: at most 45 ms.
 */
export function tuneGarbageCollection(): void {
  setFlagsFromString('--no-incremental-marking-task')
}
