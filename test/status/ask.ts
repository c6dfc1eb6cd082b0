import { setTimeout as wait } from 'node:timers/promises'
import type { StatusReport } from '../../lib/status/status.ts'

/** Asks `BASE/status` until it is as wanted. @throws when it is not within 60 s */
export async function untilStatus(
  base: string,
  isSo: (report: StatusReport) => boolean,
): Promise<StatusReport> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const report = (await (await fetch(`${base}/status`)).json()) as StatusReport
    if (isSo(report)) return report
    if (Date.now() > deadline)
      throw new Error(`not within 60 s: ${isSo} of ${JSON.stringify(report, null, 1)}`)
    await wait(20)
  }
}
