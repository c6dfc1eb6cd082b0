import type { StoreLog } from '../log.ts'
import type { Device } from './device.ts'

/** So many failures of one kind in a row are borne; one more takes the store offline. */
const BORNE = 5

/** A device that is left alone once it fails again and again, and tried again now and then. */
export interface Guard extends Device {
  /** True: reads and writes are refused without touching the device. */
  readonly offline: boolean
  readonly counts: Readonly<GuardCounts>
}

export interface GuardCounts {
  /** Bytes, metadata included. */
  deviceBytesRead: number
  deviceBytesWritten: number
  readErrors: number
  writeErrors: number
}

export interface GuardOptions {
  device: Device
  /** Milliseconds between attempts while offline. */
  retryMs: number
  /** Tries the device out through the functions given; rejects when it still fails. */
  probe(device: Device): Promise<void>
  /** Called each time the device is back. */
  onBack(): void
  log?: StoreLog
}

/** What reads and writes are refused with while the store is offline. */
export const OFFLINE = Object.assign(new Error('the raw disk is offline'), { code: 'OFFLINE' })

export function createGuard({ device, retryMs, probe, onBack, log }: GuardOptions): Guard {
  const counts: GuardCounts = { deviceBytesRead: 0, deviceBytesWritten: 0, readErrors: 0, writeErrors: 0 }
  const inARow = { readErrors: 0, writeErrors: 0 }
  let offline = false
  let timer: NodeJS.Timeout | undefined
  let retrying: Promise<void> | undefined

  function failed(kind: 'readErrors' | 'writeErrors', error: unknown): void {
    counts[kind]++
    // Each kind by itself: a disk that has become read-only still reads well between two failed writes.
    if (++inARow[kind] <= BORNE || offline) return
    offline = true
    log?.warn({ err: error, path: device.path }, 'the raw disk fails: it is left alone and tried again later')
    tryLater()
  }

  function tryLater(): void {
    timer = setTimeout(() => (retrying = retry()), retryMs).unref()
  }

  async function retry(): Promise<void> {
    try {
      await probe(device)
    } catch {
      if (timer !== undefined) tryLater()
      return
    }
    if (timer === undefined) return
    inARow.readErrors = inARow.writeErrors = 0
    offline = false
    log?.info({ path: device.path }, 'the raw disk works again')
    onBack()
  }

  async function attempt(kind: 'readErrors' | 'writeErrors', run: () => Promise<void>): Promise<void> {
    if (offline) throw OFFLINE
    try {
      await run()
    } catch (error) {
      failed(kind, error)
      throw error
    }
    inARow[kind] = 0
  }

  return {
    path: device.path,
    size: device.size,
    direct: device.direct,
    get offline() {
      return offline
    },
    counts,

    async read(buffer, position) {
      await attempt('readErrors', () => device.read(buffer, position))
      counts.deviceBytesRead += buffer.length
    },
    async write(buffer, position) {
      await attempt('writeErrors', () => device.write(buffer, position))
      counts.deviceBytesWritten += buffer.length
    },
    sync: () => attempt('writeErrors', () => device.sync()),

    async close() {
      clearTimeout(timer)
      timer = undefined
      await retrying
      await device.close()
    },
  }
}
