import type { PurgeLog, PurgeRecord } from './purge-log.ts'

/** Makes what was dropped stay dropped: in the purge log, or owed to it while the device fails. */
export interface Purges {
  /** Resolves to true when it is durable, to false when the device failed: then it is tried again, until it is. */
  add(record: PurgeRecord): Promise<boolean>
  /** The device is back. */
  retry(): void
  /** Resolves when all records so far are durable or owed. */
  flush(): Promise<void>
  /** Nothing is tried any more. */
  close(): void
  readonly records: number
  /** Whether a record waits for a device that failed. */
  readonly isOwing: boolean
}

/** Records that are owed one by one; more of them become one record that purges everything. */
const MAX_OWED = 10_000
/** Milliseconds after which what is owed is tried again. */
const RETRY_AFTER = 1000

export function createPurges(log: PurgeLog): Purges {
  let owed: PurgeRecord[] = []
  let timer: NodeJS.Timeout | undefined
  let records = 0

  async function append(record: PurgeRecord): Promise<boolean> {
    try {
      await log.append(record)
    } catch {
      owe(record)
      return false
    }
    retry()
    return true
  }

  /** Also without another purge: the error may have been the only one. */
  function retry(): void {
    clearTimeout(timer)
    timer = undefined
    for (const record of owed.splice(0)) void append(record)
  }

  function owe(record: PurgeRecord): void {
    timer ??= setTimeout(retry, RETRY_AFTER).unref()
    owed.push(record)
    if (owed.length <= MAX_OWED) return
    const sequence = Math.max(...owed.map((each) => each.sequence))
    owed = [{ kind: 'all', objectLow: 0, objectHigh: 0, sequence }]
  }

  return {
    add(record) {
      records++
      return append(record)
    },
    retry,
    flush: () => log.flush(),
    close() {
      clearTimeout(timer)
      owed = []
    },
    get isOwing() {
      return owed.length > 0
    },
    get records() {
      return records
    },
  }
}
