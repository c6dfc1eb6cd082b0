import { setTimeout as wait } from 'node:timers/promises'

/** Waits until something holds; rejects when it does not within `ms` milliseconds. */
export async function until(holds: () => boolean, ms = 60_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${holds}`)
    await wait(2)
  }
}
