import { spawn } from 'node:child_process'
import { existsSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { childEnv, plain } from '../helpers/child.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts, startServer } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'

const root = join(import.meta.dirname, '../..')

// pino's own stream would end the process at the first line.
t.test(
  'a log that cannot be written fails no request and no start',
  { skip: !existsSync('/dev/full') && 'needs /dev/full' },
  async (t) => {
    const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'served' }))
    const [port] = await freePorts(1)
    const file = join(tempDir(t), 'config.yaml')
    const settings = {
      listen_address: `127.0.0.1:${port}`,
      upstream_address: origin.url,
      enable_l2_cache: false,
      access_log: true,
      health_endpoint: { enabled: false },
      metrics_endpoint: { enabled: false },
    }
    writeFileSync(file, JSON.stringify(settings))
    const child = spawn(...plain(process.execPath, [join(root, 'server.ts'), file]), {
      cwd: root,
      env: childEnv(),
      stdio: ['ignore', openSync('/dev/full', 'w'), 'inherit'],
    })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    t.teardown(() => child.kill('SIGKILL'))
    let isUp = false
    await until(() => {
      get(`http://127.0.0.1:${port}/`).then(
        () => (isUp = true),
        () => {},
      )
      return isUp || child.exitCode !== null
    })
    for (let i = 0; i < 5; i++) {
      t.equal((await get(`http://127.0.0.1:${port}/${i}`)).body.toString(), 'served')
    }
    child.kill('SIGTERM')
    t.equal(await ended, 0)
  },
)

t.test('a reader of the log that goes away fails no request', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'served' }))
  const server = await startServer(t, { upstream_address: origin.url, access_log: true })
  server.process.stdout!.destroy()
  for (let i = 0; i < 5; i++) t.equal((await get(`${server.url}/${i}`)).body.toString(), 'served')
  t.equal(await server.kill(), 0)
})
