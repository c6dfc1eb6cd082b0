import fs from 'node:fs'
import { type OpenedDisk, type OpenOptions, openRawDisk } from '../../../lib/stores/raw-disk/open.ts'

export const MIB = 1024 * 1024
export const sizes = { totalSize: 16 * MIB, blockSize: 4096, sliceSize: 65536 }

interface Scope {
  teardown(done: () => unknown): void
}

interface Test extends Scope {
  match(found: unknown, wanted: unknown): boolean
  notMatch(found: unknown, wanted: unknown): boolean
}

/** What is told to a log. */
export function ear() {
  const told: string[] = []
  const tell = (_: object, message: string) => void told.push(message)
  return { told, log: { info: tell, warn: tell } }
}

/** Opens a raw disk, and closes it when the test ends. */
export async function open(t: Scope, path: string, o: Partial<OpenOptions> = {}): Promise<OpenedDisk> {
  const opened = await openRawDisk({ path, ...sizes, directIo: true, format: false, ...o })
  t.teardown(() => opened.device.close())
  return opened
}

/** Expects that opening is refused in one sentence, with code and path. */
export async function refused(
  t: Test,
  path: string,
  o: Partial<OpenOptions>,
  expected: { code: string; message: RegExp; path?: string },
): Promise<void> {
  const error = await open(t, path, o).then(
    () => undefined,
    (error: Error) => error,
  )
  t.match(error, { path, ...expected })
  t.notMatch(error?.message, /\n/)
}

// biome-ignore lint/suspicious/noExplicitAny: all the ways in which fs can be called
export type AnyCall = (...args: any[]) => void

/** Other functions in place of those of node:fs, until the test ends or `restore` is called. */
export function replaceSystemCalls(
  t: Scope,
  calls: Partial<Record<'open' | 'read' | 'write' | 'fdatasync', AnyCall>>,
): { restore(): void } {
  const { open, read, write, fdatasync } = fs
  const restore = () => Object.assign(fs, { open, read, write, fdatasync })
  Object.assign(fs, calls)
  t.teardown(restore)
  return { restore }
}
