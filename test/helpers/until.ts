import { setTimeout as wait } from 'node:timers/promises'

/** Waits for something that will become true soon. @throws when it did not within `ms` milliseconds */
export async function until(isSo: () => boolean, ms = 60_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${isSo}`)
    await wait(5)
  }
}
