import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Ban } from './ban.ts'

/**
 * Bans in a file, so that they hold after a restart: a line of text each, `CRC-32 JSON`, behind a line that says what the
 * file is. It is only appended to, until it is written anew with what is still needed.
 */
export interface BanJournal {
  /** Resolves when the ban is on the disk (fdatasync); many share one write. Rejects with the file system's error. */
  append(ban: Ban): Promise<void>
  /** Writes the file anew with what is needed only, if that is still wanted when its turn comes. */
  rewrite(isWanted: () => boolean): Promise<void>
  /** Reads what another process has appended. */
  look(): Promise<void>
  /** Lines in the file. */
  readonly length: number
  /** Whether the file has to be written anew before it can be appended to. */
  readonly isDamaged: boolean
  close(): Promise<void>
}

export interface OpenedJournal {
  journal: BanJournal
  /** What the file said. */
  bans: Ban[]
  /** Lines before the last one that could not be read: nobody knows what they banned. */
  damaged: number
}

const HEADER = 'slicestream bans 1\n'

/**
 * Reads the file. One that is not there is made with the first ban; a last line that is not whole was never answered.
 *
 * @param bans what to write when the file must be written anew
 * @param others told of what another process has appended since, one that takes over or is taken over
 * @throws Error of one sentence for a file that cannot be read, or is none of ours
 */
export function openJournal(
  file: string,
  bans: () => readonly Ban[],
  others: (ban: Ban) => void = () => {},
): OpenedJournal {
  const text = readText(file)
  if (!text.startsWith(HEADER) && !HEADER.startsWith(text)) {
    throw new Error(`bans file ${file}: holds something else; choose another path, or remove it`)
  }
  const lines = text.slice(HEADER.length).split('\n')
  const torn = lines.pop() !== ''
  const read = lines.map(decode)
  const found = read.filter((ban) => ban !== undefined)
  const damaged = read.length - found.length
  const isWhole = text.startsWith(HEADER) && !torn && damaged === 0
  const known = isWhole ? { lines: read.length, bytes: Buffer.byteLength(text) } : null
  return { journal: createJournal(file, bans, others, known), bans: found, damaged }
}

interface Waiting {
  line: string
  resolve(): void
  reject(error: unknown): void
}

/** @param known of the file, which may be appended to; null = it must be written anew first */
function createJournal(
  file: string,
  bans: () => readonly Ban[],
  others: (ban: Ban) => void,
  known: { lines: number; bytes: number } | null,
): BanJournal {
  let handle: FileHandle | undefined
  let mustRewrite = known === null
  let length = known?.lines ?? 0
  /** How far the file was read, and lines of ours that come behind that. */
  let readTo = known?.bytes ?? 0
  const mine = new Set<string>()
  const waiting: Waiting[] = []
  /** What touches the file comes one after the other. */
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  async function writeWaiting(): Promise<void> {
    const batch = waiting.splice(0)
    if (batch.length === 0) return
    try {
      if (mustRewrite) await writeAnew()
      do {
        if (!(await isOpen()) && handle === undefined) await writeAnew()
        for (const { line } of batch) mine.add(line)
        await handle!.appendFile(batch.map(({ line }) => line).join(''))
        await handle!.datasync()
        // Another process may have put a new file in its place meanwhile, without what came here.
      } while (!(await isOpen()))
      await catchUp()
      for (const { resolve } of batch) resolve()
    } catch (error) {
      // What came of it nobody knows: half a line would hide the next one.
      mustRewrite = true
      for (const { reject } of batch) reject(error)
    }
  }

  /** Opens the file that is there. @returns whether it is the one that was open, or the first one */
  async function isOpen(): Promise<boolean> {
    try {
      const there = await stat(file)
      if (handle !== undefined && (await handle.stat()).ino === there.ino) return true
      const isFirst = handle === undefined
      await handle?.close()
      handle = undefined
      handle = await open(file, 'a+', 0o600)
      if (isFirst) return true
      // One that was written anew: all of it is read.
      length = readTo = 0
      await catchUp()
      return false
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      await handle?.close()
      handle = undefined
      return false
    }
  }

  /** Reads what was appended by another process: two may overlap, and each heeds what the other was told. @returns the lines */
  async function catchUp(): Promise<string> {
    const { size } = await handle!.stat()
    const bytes = Buffer.alloc(Math.max(0, size - readTo))
    const { bytesRead } = await handle!.read(bytes, 0, bytes.length, readTo)
    const whole = bytes.subarray(0, bytes.subarray(0, bytesRead).lastIndexOf(10) + 1)
    readTo += whole.length
    for (const text of whole.toString().split('\n').slice(0, -1)) {
      const line = `${text}\n`
      if (line === HEADER) continue
      length++
      const ban = mine.delete(line) ? undefined : decode(text)
      if (ban !== undefined) others(ban)
    }
    return whole.toString()
  }

  async function writeAnew(): Promise<void> {
    // What another process has written since is not lost with the file.
    if ((await isOpen()) || handle !== undefined) await catchUp()
    const replaced = handle
    await mkdir(dirname(file), { recursive: true })
    const temp = `${file}.${randomBytes(6).toString('hex')}`
    const lines = bans().map(encode)
    const fresh = await open(temp, 'wx', 0o600)
    try {
      await fresh.writeFile(HEADER + lines.join(''))
      await fresh.datasync()
      await fresh.close()
      await rename(temp, file)
    } catch (error) {
      await fresh.close().catch(() => {})
      await unlink(temp).catch(() => {})
      throw error
    }
    await syncDirectory(dirname(file))
    // What came after that look and before the rename; who appended later finds another file in the place of his.
    const late = replaced === undefined ? '' : await catchUp()
    await replaced?.close()
    handle = await open(file, 'a+', 0o600)
    if (late !== '') {
      await handle.appendFile(late)
      await handle.datasync()
    }
    length = 0
    readTo = 0
    for (const line of lines) mine.add(line)
    mustRewrite = false
    await catchUp()
  }

  return {
    append(ban) {
      return new Promise((resolve, reject) => {
        waiting.push({ line: encode(ban), resolve, reject })
        if (waiting.length === 1) void inTurn(writeWaiting)
      })
    },

    rewrite: (isWanted) => inTurn(async () => void (isWanted() && (await writeAnew()))),

    look: () =>
      inTurn(async () => {
        if (await isOpen()) await catchUp()
      }),

    get length() {
      return length
    },
    get isDamaged() {
      return mustRewrite
    },

    close: () =>
      inTurn(async () => {
        await handle?.close()
        handle = undefined
      }),
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function encode(ban: Ban): string {
  const json = JSON.stringify(ban)
  return `${checksum(json)} ${json}\n`
}

function decode(line: string): Ban | undefined {
  const json = line.slice(9)
  return line.slice(0, 9) === `${checksum(json)} ` ? JSON.parse(json) : undefined
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0')
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return ''
    throw new Error(`bans file ${file}: cannot be read (${code})`)
  }
}
