import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programPath } from '../../test/helpers/program-path.ts'
import { type Scope, tempDir } from '../../test/helpers/scope.ts'
import { freePorts } from '../../test/helpers/server.ts'
import { startDaemon } from './daemon.ts'
import type { Peer, PeerName, PeerOptions } from './peer.ts'
import { missingProgram, versionOf } from './programs.ts'

interface Kind {
  name: PeerName
  /** Where its cache is: a tmpfs, so that it is compared as a cache in memory, or the disk of the temporary directory. */
  on: 'tmpfs' | 'disk'
  /** How it reads files. */
  reads: string
  /** What it has stored are plain files (`proxy_store`), not entries of its cache. */
  stores?: boolean
}

export const nginx = peerOf({ name: 'nginx', on: 'tmpfs', reads: 'sendfile off; output_buffers 2 512k;' })
/** No tcp_nopush: with it responses of 64 KiB wait for the client's delayed acknowledgement. */
export const nginxSendfile = peerOf({
  name: 'nginx-sendfile',
  on: 'tmpfs',
  reads: 'sendfile on;',
})
/** Its files are in the page cache as long as the kernel keeps them there. */
export const nginxDisk = peerOf({ name: 'nginx-disk', on: 'disk', reads: 'sendfile on;' })
/**
 * Around the page cache, as a raw disk is read. The threads are nginx's own advice for that. Not with its cache: the files of that are
 * always read through the page cache, whatever `directio` says. So it serves files that it has stored, which costs it less. Each
 * request opens its file: of a shared one it would turn O_DIRECT on and off under the reads of other threads, which then fail.
 */
export const nginxDirectio = peerOf({
  name: 'nginx-directio',
  on: 'disk',
  reads: 'sendfile off; aio threads; directio 4k; output_buffers 2 512k;',
  stores: true,
})

function peerOf(kind: Kind): Peer {
  return {
    name: kind.name,
    missing: () => missingProgram('nginx', 'nginx-light'),
    version: () => versionOf('nginx', '-v'),
    async start(options) {
      const directory = kind.on === 'tmpfs' ? tmpfsDir(options.scope) : tempDir(options.scope)
      const [port] = await freePorts(1)
      const file = join(directory, 'nginx.conf')
      writeFileSync(file, configuration(kind, options, directory, port))
      mkdirSync(join(directory, 'logs'))
      return startDaemon({
        ...options,
        name: kind.name,
        port,
        command: programPath('nginx')!,
        args: ['-p', directory, '-e', join(directory, 'error.log'), '-c', file],
        children: 1,
      })
    },
  }
}

function configuration(kind: Kind, options: PeerOptions, directory: string, port: number): string {
  const asRoot = process.getuid?.() === 0
  const cache = `proxy_cache_path ${directory}/cache levels=1:2 keys_zone=cache:64m inactive=1d
    max_size=${options.memory} use_temp_path=off;`
  const proxied = `proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";`
  const stored = `location / { root ${directory}/files; try_files $uri-$args @origin; }
    location @origin { ${proxied} proxy_store ${directory}/files$uri-$args; }`
  const cached = `proxy_cache cache; add_header X-Cache $upstream_cache_status;
      ${options.coalesce ? 'proxy_cache_lock on; proxy_cache_lock_timeout 60s;' : ''}`
  return `daemon off; worker_processes 1; pid ${directory}/nginx.pid;
${asRoot ? 'user root;' : ''}
error_log ${directory}/error.log warn; worker_rlimit_nofile 65536;
events { worker_connections 16384; multi_accept on; }
http {
  access_log off; tcp_nodelay on; ${kind.reads}
  keepalive_timeout 300s; keepalive_requests 100000000;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${directory}/${each};`).join(' ')}
  proxy_buffer_size 16k; proxy_buffers 32 32k; proxy_busy_buffers_size 256k;
  ${kind.stores ? '' : openFileCache()}
  ${options.caching ? cache : ''}
  upstream origin { server ${new URL(options.origin).host}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ${kind.stores ? stored : `location / { ${proxied} ${options.caching ? cached : ''} }`}
    location /slices/ {
      ${proxied}
      slice 1m; proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1h;
      ${options.caching ? `${cached} proxy_cache_key $uri$is_args$args$slice_range;` : ''}
    }
  }
}
`
}

/**
 * Half of the descriptors that a process may have. It keeps a file open for as long, also one that its cache has given up, whose
 * memory the tmpfs then keeps too; and with more of them than it may have it answers 500. worker_rlimit_nofile asks for more,
 * but only root with all its capabilities gets that.
 */
function openFileCache(): string {
  const most = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024)
  return `open_file_cache max=${Math.min(200_000, Math.floor(most / 2))} inactive=60s; open_file_cache_valid 60s;`
}

/** A directory in memory where the system has one, else on disk. */
function tmpfsDir(scope: Scope): string {
  try {
    const directory = mkdtempSync('/dev/shm/slicestream-')
    scope.teardown(() => rmSync(directory, { recursive: true, force: true }))
    return directory
  } catch {
    return tempDir(scope)
  }
}
