import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds for which a walk over many entries may hold up whatever else wants to happen. */
const STRETCH = 1

/**
 * For long work in small steps: call the result after each step and await what it returns, if anything. Steps that await
 * something of their own may never leave the microtasks, so that alone lets nobody else have a turn.
 */
export function createTurns(): () => Promise<void> | undefined {
  let since = performance.now()
  return () => {
    if (performance.now() - since < STRETCH) return undefined
    return nextTurn().then(() => {
      since = performance.now()
    })
  }
}

/** Resolves with the promise, which must not reject, or as soon as the signal is aborted. */
export async function orAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  const listener = () => resolve()
  signal.addEventListener('abort', listener)
  await Promise.race([promise, aborted])
  signal.removeEventListener('abort', listener)
}
