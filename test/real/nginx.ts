import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'

/** nginx as packaged, serving a directory as fresh for an hour. */
export interface Nginx {
  url: string
  stop(): Promise<void>
}

export async function startNginx(t: Scope, directory: string): Promise<Nginx> {
  const dir = tempDir(t)
  const [port] = await freePorts(1)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  for (const name of temp) mkdirSync(join(dir, name))
  writeFileSync(
    join(dir, 'nginx.conf'),
    `worker_processes 1;
pid ${dir}/pid;
daemon off;
user root;
error_log ${dir}/error.log;
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  ${temp.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    root ${directory};
    expires 1h;
  }
}
`,
  )
  const path = `${process.env.PATH}:/usr/sbin`
  const nginx = spawn('nginx', ['-c', join(dir, 'nginx.conf'), '-p', dir, '-e', join(dir, 'error.log')], {
    env: { ...process.env, PATH: path },
    stdio: 'inherit',
  })
  const exited = new Promise<void>((resolve) => nginx.once('exit', () => resolve()))
  const stop = () => {
    nginx.kill('SIGTERM')
    return exited
  }
  t.teardown(stop)
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return { url, stop }
    await wait(50)
  }
  throw new Error('nginx did not start')
}
