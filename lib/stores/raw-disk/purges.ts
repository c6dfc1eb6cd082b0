import type { PurgeLog, PurgeRecord } from './purge-log.ts'

/** Makes what was dropped stay dropped: in the purge log, or owed to it while the device fails. */
export interface Purges {
  /** Resolves when it is durable, or when the device failed: then it is tried again once the device is back. */
  add(record: PurgeRecord): Promise<void>
  /** The device is back. */
  retry(): void
  /** Resolves when all records so far are durable or owed. */
  flush(): Promise<void>
  readonly records: number
}

/** Records that are owed one by one; more of them become one record that purges everything. */
const MAX_OWED = 10_000

export function createPurges(log: PurgeLog): Purges {
  let owed: PurgeRecord[] = []
  let records = 0

  async function add(record: PurgeRecord): Promise<void> {
    records++
    try {
      await log.append(record)
    } catch {
      owe(record)
    }
  }

  function owe(record: PurgeRecord): void {
    owed.push(record)
    if (owed.length <= MAX_OWED) return
    const sequence = Math.max(...owed.map((each) => each.sequence))
    owed = [{ kind: 'all', objectLow: 0, objectHigh: 0, sequence }]
  }

  return {
    add,
    retry() {
      for (const record of owed.splice(0)) log.append(record).catch(() => owe(record))
    },
    flush: () => log.flush(),
    get records() {
      return records
    },
  }
}
