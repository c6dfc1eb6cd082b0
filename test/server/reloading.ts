import type { Scope } from '../helpers/scope.ts'
import { type Server, startServer } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'

/** A server whose settings a test changes while it runs. */
export interface Reloading {
  readonly server: Server
  /** Writes these settings beside those of the start, sends SIGHUP and resolves with what the log says of it. */
  reload(settings?: Record<string, unknown>): Promise<string[]>
}

export async function startReloading(
  t: Scope,
  settings: Record<string, unknown>,
  env?: Record<string, string>,
): Promise<Reloading> {
  const server = await startServer(t, settings, env)
  return {
    server,
    async reload(changes = {}) {
      const before = server.stdout.length
      server.write(changes)
      server.process.kill('SIGHUP')
      const told = () => messages(server.stdout.slice(before)).filter((text) => text.startsWith('reload: '))
      await until(() => told().some((text) => /^reload: (done|refused)/.test(text)))
      return told()
    },
  }
}

/** What a log in JSON says. The last line may not be whole yet. */
function messages(log: string): string[] {
  const lines = log.split('\n').slice(0, -1)
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line).msg ?? '')
}
