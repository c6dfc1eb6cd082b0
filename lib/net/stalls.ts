/** For how long a connection may stand still, in milliseconds. */
export interface StallLimits {
  /** Within the body of a request that we wait for. */
  bodyTimeout: number
  /** While bytes of a response wait for the client to take them. */
  sendTimeout: number
}

/** A connection at one moment. */
export interface Look {
  /** Bytes received so far. */
  received: number
  /** Bytes that the system has taken from us so far. */
  sent: number
  /** We wait for more of a request's body. */
  waitsForBody: boolean
  /** Bytes of a response wait because the system takes no more. */
  waitsForRoom: boolean
}

/** What is remembered of a connection between two looks. */
export interface Progress {
  received: number
  sent: number
  /** Milliseconds without a byte, while one was waited for. */
  bodyPause: number
  sendPause: number
  /** What the client had not yet acknowledged; null = not looked at since it last took something. */
  unacknowledged: number | null
}

export type Stall = 'body_timeout' | 'send_timeout'

export function noProgress(): Progress {
  return { received: 0, sent: 0, bodyPause: 0, sendPause: 0, unacknowledged: null }
}

/** Takes a look into account. @param elapsed milliseconds since the last one */
export function advance(progress: Progress, look: Look, elapsed: number): void {
  const { received, sent } = progress
  progress.bodyPause = look.waitsForBody && look.received === received ? progress.bodyPause + elapsed : 0
  if (look.waitsForRoom && look.sent === sent) {
    progress.sendPause += elapsed
  } else {
    progress.sendPause = 0
    progress.unacknowledged = null
  }
  progress.received = look.received
  progress.sent = look.sent
}

/**
 * Whether it must be asked what the client has acknowledged. The system takes the next bytes from us only when about a third
 * of its buffer is free again: with one of 4 MiB a client that reads 20 kB/s seems to stand still for more than a minute.
 */
export function isSuspect(progress: Progress, { sendTimeout }: StallLimits): boolean {
  return progress.unacknowledged !== null || progress.sendPause >= sendTimeout / 4
}

/** Takes into account what the system still holds for the client of a suspect connection; null = not known. */
export function acknowledge(progress: Progress, unacknowledged: number | null): void {
  if (unacknowledged === null) return
  // Of the time before the first look nothing is known.
  if (progress.unacknowledged !== unacknowledged) progress.sendPause = 0
  progress.unacknowledged = unacknowledged
}

/** What a connection has stood still for too long in; null = nothing. */
export function stallOf(progress: Progress, limits: StallLimits): Stall | null {
  if (progress.sendPause >= limits.sendTimeout) return 'send_timeout'
  return progress.bodyPause >= limits.bodyTimeout ? 'body_timeout' : null
}

/** How often to look, in milliseconds. */
export function lookInterval({ bodyTimeout, sendTimeout }: StallLimits): number {
  return Math.min(5000, Math.max(25, Math.min(bodyTimeout, sendTimeout) / 8))
}
