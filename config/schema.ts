/**
 * The one description of the configuration: keys, types, defaults, limits and what they mean. The validator, the
 * `Config` type, docs/configuration.md and config/slicestream.yaml are all made from it.
 *
 * JSON Schema, with three annotations of our own: `unit` (of a number, for messages and the reference), `examples[0]`
 * (what the template shows where the default would mislead) and `live` (of a key, or of all keys of a section): SIGHUP
 * applies another value to the running process.
 */
const MAX_TIMER_MS = 2 ** 31 - 1

export const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    listen_address: {
      type: 'string',
      format: 'listen-address',
      default: '0.0.0.0:8080',
      description: 'Where the proxy listens, as `host:port` or `[v6]:port`.',
    },
    listen_reuse_port: {
      type: 'boolean',
      default: false,
      description:
        'Open all ports with SO_REUSEPORT, so that a new process can start and take over while the old one drains. ' +
        'A second process that is started by mistake is then no error.',
    },
    upstream_address: {
      live: true,
      type: 'string',
      format: 'upstream-address',
      default: '127.0.0.1:8080',
      examples: ['origin.example.com:80'],
      description: 'The origin: `host:port` (plain HTTP) or `http(s)://host:port`.',
    },
    enable_cache: {
      type: 'boolean',
      default: true,
      description: 'Keep responses in the tiers below. Without it every request goes to the origin.',
    },
    cache_ttl: {
      live: true,
      type: 'integer',
      unit: 'seconds',
      minimum: 0,
      default: 3600,
      description:
        'Freshness of cacheable responses that carry neither explicit freshness nor Last-Modified. ' +
        '0: such responses are never reused without validation. What the origin says always wins.',
    },
    l1_cache_size_bytes: {
      type: 'integer',
      unit: 'bytes',
      minimum: 0,
      default: 104857600,
      description: 'Size of the tier in memory (L1). 0: no such tier.',
    },
    enable_l2_cache: { type: 'boolean', default: true, description: 'Keep a second tier on disk (L2).' },
    l2_backend: {
      type: 'string',
      enum: ['file', 'raw_disk'],
      default: 'file',
      description:
        'How L2 keeps its entries: as files in a directory, or in one preallocated file or block device ' +
        '(docs/raw-disk.md).',
    },
    l2_cache_dir: {
      type: 'string',
      format: 'path',
      default: '/var/cache/pingora-slice',
      description: 'Directory of the `file` backend. Created when missing.',
    },
    l2_cache_size_bytes: {
      type: 'integer',
      unit: 'bytes',
      minimum: 1048576,
      default: 10737418240,
      description: 'Most bytes that the `file` backend keeps on disk; at least `slice_size`.',
    },
    raw_disk_cache: {
      type: ['object', 'null'],
      additionalProperties: false,
      default: null,
      description: 'The `raw_disk` backend; required when `l2_backend` names it.',
      properties: {
        device_path: {
          type: 'string',
          format: 'path',
          default: '/var/cache/pingora-slice-raw',
          description:
            'A file, preallocated at the first start, or a block device. One process at a time may use it. ' +
            'What is not empty and not ours is refused.',
        },
        total_size: {
          type: 'integer',
          unit: 'bytes',
          minimum: 1048576,
          default: 10737418240,
          description:
            'How much of it is used; at least 10 blocks, and enough for the regions that `slice_size` asks for. ' +
            'Another size than before starts empty.',
        },
        block_size: {
          type: 'integer',
          unit: 'bytes',
          enum: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576],
          default: 4096,
          description: 'Alignment and accounting unit. Another one than before starts empty.',
        },
        use_direct_io: {
          type: 'boolean',
          default: true,
          description:
            "Go around the kernel's page cache (O_DIRECT). Where the file system has no such thing, it is done without and logged.",
        },
        enable_compression: {
          type: 'boolean',
          default: true,
          description: 'Compress slices of compressible types (zstd) where that saves at least a tenth.',
        },
        enable_prefetch: {
          type: 'boolean',
          default: true,
          description: 'Read up to 4 slices ahead of a response that takes them in order.',
        },
        enable_zero_copy: {
          type: 'boolean',
          default: true,
          description: 'Send what was read from the memory that it was read into.',
        },
        second_hit_admission: {
          type: 'boolean',
          default: false,
          description:
            'Store what is asked for the second time only: fewer writes, and the first two requests are misses.',
        },
        format: {
          type: 'boolean',
          default: false,
          description:
            'Take the device even if it holds something else, which is lost. What is ours is kept: it may stay true, but need not.',
        },
        self_test: {
          type: 'boolean',
          default: false,
          description:
            'For debugging: compare all counts with the index every 10 seconds. What does not agree is logged and counted.',
        },
      },
    },
    slice_size: {
      type: 'integer',
      unit: 'bytes',
      minimum: 65536,
      maximum: 16777216,
      default: 1048576,
      description: 'Bytes of one slice. Objects stored with another size are fetched anew.',
    },
    max_concurrent_subrequests: {
      live: true,
      type: 'integer',
      minimum: 1,
      default: 4,
      description: 'Upstream requests that one client response may have open at once.',
    },
    max_retries: {
      live: true,
      type: 'integer',
      minimum: 0,
      default: 3,
      description: 'Further attempts of an idempotent upstream request, before the first body byte only.',
    },
    slice_patterns: {
      live: true,
      type: 'array',
      items: { type: 'string', minLength: 1 },
      default: [],
      description:
        'Globs on the path of what may be fetched by slices; empty: everything. ' +
        'What none matches is fetched whole and cut as it passes.',
    },
    upstream: {
      live: true,
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'How the origin is spoken to.',
      properties: {
        connect_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 1,
          maximum: MAX_TIMER_MS,
          default: 5000,
          description: 'Time to connect, TLS included.',
        },
        headers_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 1,
          maximum: MAX_TIMER_MS,
          default: 60000,
          description: 'Time from the request sent to the response head.',
        },
        body_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 1,
          maximum: MAX_TIMER_MS,
          default: 60000,
          description: 'Longest pause within a response body.',
        },
        max_connections: {
          type: 'integer',
          minimum: 1,
          maximum: 65535,
          default: 1024,
          description: 'Connections open to the origin at once.',
        },
        tls_verify: {
          type: 'boolean',
          default: true,
          description: "Verify the origin's certificate. Turn it off for tests only.",
        },
        host_header: {
          type: 'string',
          enum: ['upstream', 'client'],
          default: 'upstream',
          description: 'Host field sent to the origin: of `upstream_address`, or as the client sent it.',
        },
      },
    },
    client: {
      live: true,
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'What clients may take of connections and time.',
      properties: {
        max_connections: {
          type: 'integer',
          minimum: 0,
          default: 10000,
          description:
            'Connections to the proxy port at once; more are closed as they come. 0: no limit but that of open files.',
        },
        header_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 100,
          maximum: MAX_TIMER_MS,
          default: 15000,
          description: 'Time for the whole head of a request, from its first byte.',
        },
        body_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 100,
          maximum: MAX_TIMER_MS,
          default: 60000,
          description: 'Longest pause within the body of a request.',
        },
        send_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 100,
          maximum: MAX_TIMER_MS,
          default: 60000,
          description: 'Longest time for which a client may take nothing of a response that waits for it.',
        },
        idle_timeout_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 100,
          maximum: MAX_TIMER_MS,
          default: 72000,
          description:
            'How long a connection without a request stays open. Longer than that of the load balancer in front, ' +
            'which shall be the one to close.',
        },
      },
    },
    pressure: {
      live: true,
      type: 'object',
      additionalProperties: false,
      default: {},
      description:
        'When the process is too busy: requests that memory cannot answer get 503 with Retry-After, and /health says degraded.',
      properties: {
        max_event_loop_delay_ms: {
          type: 'integer',
          unit: 'ms',
          minimum: 0,
          maximum: MAX_TIMER_MS,
          default: 1000,
          description:
            'Most delay of the event loop, on average, for three seconds on end. 0: not looked at.',
        },
        max_event_loop_percent: {
          type: 'integer',
          minimum: 0,
          maximum: 100,
          default: 0,
          description:
            'Most time that the event loop may be busy for several seconds, in percent. 0: not looked at, since a server that is ' +
            'used to the full is busy all the time and answers within milliseconds.',
        },
        max_rss_bytes: {
          type: 'integer',
          unit: 'bytes',
          minimum: 0,
          default: 0,
          description: 'Most memory of the process (resident set). 0: not looked at.',
        },
        retry_after_seconds: {
          type: 'integer',
          unit: 'seconds',
          minimum: 1,
          default: 10,
          description: 'What Retry-After says.',
        },
      },
    },
    cache_key: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'What tells two stored responses apart, beside scheme and path.',
      properties: {
        include_host: {
          type: 'boolean',
          default: true,
          description: "The client's Host field is part of the key.",
        },
        ignore_query: { type: 'boolean', default: false, description: 'The query is not part of the key.' },
        query_allowlist: {
          type: ['array', 'null'],
          items: { type: 'string', minLength: 1 },
          default: null,
          description: 'Only these query parameters are part of the key; null: all of them.',
        },
      },
    },
    targeted_cache_control: {
      live: true,
      type: 'array',
      items: { type: 'string', pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" },
      default: ['CDN-Cache-Control'],
      description:
        'Response fields that replace Cache-Control and Expires for this cache (RFC 9213), the one that counts first in front.',
    },
    set_cookie: {
      live: true,
      type: 'string',
      enum: ['explicit', 'shared', 'strip'],
      default: 'explicit',
      description:
        'Which responses with Set-Cookie are stored. explicit: those whose Cache-Control or Expires makes them cacheable, cookie included (RFC 9111 section 7.3); shared: only those with public or s-maxage; strip: stored without the cookie, which only the first client gets.',
    },
    cache_status_key: {
      live: true,
      type: 'boolean',
      default: false,
      description: 'Cache-Status tells clients the cache key, for debugging.',
    },
    trusted_proxies: {
      live: true,
      type: 'array',
      items: { type: 'string', format: 'address-block' },
      default: [],
      description: 'Addresses or CIDR blocks of the proxies in front, whose X-Forwarded fields are believed.',
    },
    purge: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'PURGE requests on the proxy port.',
      properties: {
        enabled: {
          live: true,
          type: 'boolean',
          default: false,
          description: 'Answer PURGE. Without a token only when `listen_address` is a loopback address.',
        },
        auth_token: {
          live: true,
          type: ['string', 'null'],
          minLength: 1,
          default: null,
          description: 'Token that a PURGE must show. The environment variable PURGE_TOKEN wins.',
        },
        bans_file: {
          type: ['string', 'null'],
          format: 'path',
          default: null,
          description:
            'Where purges by prefix, tag and all are kept over restarts. ' +
            'null: `bans` in `l2_cache_dir`, or beside `raw_disk_cache.device_path`; none without L2.',
        },
      },
    },
    health_endpoint: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: '`/health`, `/ready` and `/live` on a port of their own.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'Open the port.' },
        address: {
          type: 'string',
          format: 'listen-address',
          default: '0.0.0.0:8081',
          description: 'Where it listens.',
        },
        status_page: {
          type: 'boolean',
          default: true,
          description: 'A page for people at `/` of that port, and what it shows as JSON at `/status`.',
        },
      },
    },
    metrics_endpoint: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: '`/metrics` in the Prometheus text format, on a port of its own.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'Open the port.' },
        address: {
          type: 'string',
          format: 'listen-address',
          default: '127.0.0.1:9090',
          description: 'Where it listens.',
        },
      },
    },
    log_level: {
      live: true,
      type: 'string',
      enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      default: 'info',
      description:
        'Least severe log line that is written. Where the file is silent, LOG_LEVEL or RUST_LOG decides.',
    },
    access_log: {
      live: true,
      type: 'boolean',
      default: false,
      description: 'Write one log line for each request.',
    },
    shutdown_timeout_ms: {
      live: true,
      type: 'integer',
      unit: 'ms',
      minimum: 100,
      maximum: MAX_TIMER_MS,
      default: 30000,
      description: 'After SIGTERM or SIGINT, time for requests in flight to finish before they are cut.',
    },
  },
} as const

/** The part of JSON Schema that the schema above is written in. */
export interface KeySchema {
  readonly type: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly unit?: 'bytes' | 'ms' | 'seconds'
  readonly live?: boolean
  readonly format?: string
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly items?: KeySchema
  readonly additionalProperties?: boolean
  readonly properties?: Readonly<Record<string, KeySchema>>
}

/** The TypeScript type of what a schema admits, its defaults filled in. */
type Admitted<S> = S extends { enum: readonly (infer Choice)[] }
  ? Choice
  : S extends { type: readonly [infer Type, 'null'] }
    ? Admitted<Omit<S, 'type'> & { type: Type }> | null
    : S extends { type: 'object'; properties: infer Keys }
      ? { -readonly [Key in keyof Keys]: Admitted<Keys[Key]> }
      : S extends { type: 'array'; items: infer Item }
        ? Admitted<Item>[]
        : S extends { type: 'boolean' }
          ? boolean
          : S extends { type: 'string' }
            ? string
            : S extends { type: 'integer' }
              ? number
              : never

/** A validated configuration, every key present. */
export type Config = Admitted<typeof schema>
