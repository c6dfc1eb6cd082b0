import fs from 'node:fs'
import { call, codeOf } from './files.ts'

/** Does something with a file's descriptor. Rejects with what opening it rejects with, or `read`. */
export type WithFile = <T>(path: string, read: (fd: number) => Promise<T>) => Promise<T>

/**
 * Files that stay open after they were read, for the next one who reads them: opening and closing cost a turn of a thread each, as
 * reading does. (nginx has `open_file_cache` for it.)
 */
export interface OpenFiles {
  readonly use: WithFile
  /** The file was replaced, or is gone: who reads it goes on, and the next one opens what is there. */
  forget(path: string): void
  /** Closes what nobody reads; the rest when it has been read. */
  close(): void
}

/** Files of each of two ages. */
const MOST = 256
/** Milliseconds until the young are old, and the old closed, used or not: what others remove or replace must be noticed. */
const AGE = 5000

interface OpenFile {
  opened: Promise<number>
  /** null until it is open. */
  fd: number | null
  readers: number
  isKept: boolean
}

export function createOpenFiles(most = MOST): OpenFiles {
  let young = new Map<string, OpenFile>()
  let old = new Map<string, OpenFile>()
  let clock: NodeJS.Timeout | undefined

  function open(path: string): OpenFile {
    if (young.size >= most) age()
    clock ??= setInterval(age, AGE).unref()
    const opened = call<number>((done) => fs.open(path, 'r', done))
    const file: OpenFile = { opened, fd: null, readers: 0, isKept: true }
    young.set(path, file)
    return file
  }

  function age(): void {
    for (const file of old.values()) letGo(file)
    old = young
    young = new Map()
    if (old.size > 0) return
    clearInterval(clock)
    clock = undefined
  }

  function letGo(file: OpenFile): void {
    file.isKept = false
    closeUnread(file)
  }

  function forget(path: string): void {
    for (const files of [young, old]) {
      const file = files.get(path)
      if (file === undefined) continue
      files.delete(path)
      letGo(file)
    }
  }

  function close(): void {
    age()
    age()
  }

  return {
    async use(path, read) {
      const file = young.get(path) ?? old.get(path) ?? open(path)
      file.readers++
      try {
        file.fd ??= await file.opened
        return await read(file.fd)
      } catch (error) {
        // A descriptor can go bad, as one of NFS does when the server lost the file: the next one opens it anew.
        if (file.isKept) forget(path)
        // There are too many: others need them more.
        if (OUT_OF_DESCRIPTORS.has(codeOf(error))) close()
        throw error
      } finally {
        file.readers--
        closeUnread(file)
      }
    },
    forget,
    close,
  }
}

const OUT_OF_DESCRIPTORS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE'])

function closeUnread(file: OpenFile): void {
  if (file.isKept || file.readers > 0 || file.fd === null) return
  // Nothing depends on it, so nobody waits for it.
  fs.close(file.fd, () => {})
  file.fd = null
}

/** A file that is opened for this alone. */
export const openOnce: WithFile = async (path, read) => {
  const fd = await call<number>((done) => fs.open(path, 'r', done))
  try {
    return await read(fd)
  } finally {
    fs.close(fd, () => {})
  }
}
