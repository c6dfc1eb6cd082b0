import { setTimeout as wait } from 'node:timers/promises'

/** Waits until something holds; rejects when it does not within `ms` milliseconds. */
export async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${holds}`)
    await wait(2)
  }
}
