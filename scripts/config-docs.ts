/**
 * Writes what is derived from config/schema.ts: docs/configuration.md, config/slicestream.yaml and examples/.
 * With `--check` it writes nothing and exits 1 when one of them is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binarySize, expected } from '../config/expected.ts'
import { type KeySchema, schema } from '../config/schema.ts'

const INTRO = `# Configuration

<!-- Made by \`npm run docs:config\` from config/schema.ts: change it there. -->

slicestream reads one YAML 1.2 file: \`node server.ts CONFIG.yaml\`. It is pingora-slice's file with a few more keys;
every key has a default except that \`upstream_address\` must name a server other than the proxy itself.

- \`node server.ts --check-config CONFIG.yaml\` prints \`ok\`, or everything that is wrong with it: one line for each error,
  with file, line, key, value and what is allowed.
- A key that is not in this table is an error, and so is a key written twice. Values are not converted: \`"80"\` is a text, \`yes\` too.
- Sizes are bytes. Relative paths are relative to the file's directory. \`localhost\` as a listening address means 127.0.0.1.
- \`--upstream URL\` and \`--listen ADDR\` win over \`upstream_address\` and \`listen_address\`; \`PURGE_TOKEN\` in the environment
  wins over \`purge.auth_token\`. Where the file has no \`log_level\`, \`LOG_LEVEL\` decides, else \`RUST_LOG\` as pingora-slice read it
  (\`info,pingora_slice=debug\`).
- \`fastify start --options app.ts -- --config=FILE\` reads the same file (or SLICESTREAM_CONFIG names it); there the proxy's
  own address and the log level are fastify-cli's flags.
- \`UV_THREADPOOL_SIZE\` is 16 unless the environment says otherwise: file system, DNS and zlib share those threads.
- SIGHUP reads the file again. Keys whose \`reload\` is \`live\` take effect at once, for requests that come then; the others keep
  their value until the process is started again. The log names both. A file with anything wrong in it changes nothing.

[config/slicestream.yaml](../config/slicestream.yaml) has every key with its default, ready to be edited.
`

const TEMPLATE_INTRO = `# slicestream: every key, with its default. Reference: docs/configuration.md
# Made by \`npm run docs:config\` from config/schema.ts: copy it, do not edit it here.
`

/** Values of the complete examples; everything else is the default. */
const EXAMPLES: Record<string, { title: string; chosen: Chosen }> = {
  'examples/file-backend.yaml': {
    title: 'a cache of files, one directory on a file system that others may use too',
    chosen: { l2_cache_dir: '/var/cache/slicestream' },
  },
  'examples/raw-disk.yaml': {
    title: 'a raw disk of 100 GiB in one preallocated file',
    chosen: {
      l1_cache_size_bytes: 256 * 1024 ** 2,
      l2_backend: 'raw_disk',
      l2_cache_dir: '/var/cache/slicestream',
      'raw_disk_cache.device_path': '/var/cache/slicestream/raw',
      'raw_disk_cache.total_size': 100 * 1024 ** 3,
    },
  },
}

function exampleIntro(title: string): string {
  return `# slicestream: ${title}. Every key is here. Reference: docs/configuration.md
# Made by \`npm run docs:config\` from config/schema.ts: copy it, do not edit it here.
`
}

export function configurationPage(): string {
  const keys = Object.entries<KeySchema>(schema.properties)
  const sections = keys.filter(([, key]) => key.properties !== undefined)
  return [
    INTRO,
    '## Keys\n',
    table(keys, ''),
    ...sections.map(
      ([name, key]) =>
        `## ${name}\n\n${key.description}\n\n${table(Object.entries(key.properties ?? {}), name, key.live)}`,
    ),
  ].join('\n')
}

function table(keys: [string, KeySchema][], section: string, live = false): string {
  const rows = keys.map(([name, key]) => {
    const label = key.properties ? `[\`${name}\`](#${name})` : `\`${section && `${section}.`}${name}\``
    return `| ${label} | ${defaultOf(key)} | ${expected(key)} | ${reloadOf(key, live)} | ${key.description} |`
  })
  return `${['| key | default | allowed | reload | meaning |', '|---|---|---|---|---|', ...rows].join('\n')}\n`
}

/** How another value takes effect; of a section whose keys differ in that, its own table tells. */
function reloadOf(key: KeySchema, live: boolean): string {
  if (live || key.live) return 'live'
  return Object.values(key.properties ?? {}).some((inner) => inner.live) ? '' : 'restart'
}

function defaultOf(key: KeySchema): string {
  if (key.properties && key.default !== null) return ''
  const size = key.unit === 'bytes' && typeof key.default === 'number' && key.default >= 1024
  return `\`${JSON.stringify(key.default)}\`${size ? ` (${binarySize(key.default as number)})` : ''}`
}

/** @param chosen values in place of the defaults, by dotted key; a section of which there is one is not commented out */
export function configurationTemplate(intro = TEMPLATE_INTRO, chosen: Chosen = {}): string {
  const blocks = Object.entries<KeySchema>(schema.properties).map(([name, key]) =>
    templateKey(name, key, chosen, ''),
  )
  return [intro, ...blocks].join('\n')
}

type Chosen = Readonly<Record<string, unknown>>

/** A key with its meaning above it. A section that is null by default is shown, but commented out. */
function templateKey(path: string, key: KeySchema, chosen: Chosen, indent: string): string {
  const allowed = key.properties || key.type === 'boolean' ? '' : ` Allowed: ${expected(key)}.`
  const isOther = path in chosen && chosen[path] !== key.default
  const instead = isOther ? ` Default: ${JSON.stringify(key.default)}.` : ''
  const meaning = comment(`${key.description}${allowed}${instead}`, indent)
  const name = path.split('.').at(-1)
  if (!key.properties) {
    const value = path in chosen ? JSON.stringify(chosen[path]) : shown(key)
    return `${meaning}${indent}${name}: ${value}\n`
  }
  const inner = Object.entries(key.properties).map(([child, value]) =>
    templateKey(`${path}.${child}`, value, chosen, '  '),
  )
  const section = `${name}:\n${inner.join('')}`
  const isUsed = key.default !== null || Object.keys(chosen).some((each) => each.startsWith(`${path}.`))
  return meaning + (isUsed ? section : section.replace(/^(?=.)/gm, '# '))
}

/** A text as comment lines of at most 110 characters. */
function comment(text: string, indent: string): string {
  const lines = [`${indent}#`]
  for (const word of text.split(' ')) {
    if (lines[lines.length - 1].length + 1 + word.length > 110) lines.push(`${indent}#`)
    lines[lines.length - 1] += ` ${word}`
  }
  return `${lines.join('\n')}\n`
}

function shown(key: KeySchema): string {
  return JSON.stringify(key.examples?.[0] ?? key.default)
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const pages = {
    'docs/configuration.md': configurationPage(),
    'config/slicestream.yaml': configurationTemplate(),
    ...Object.fromEntries(
      Object.entries(EXAMPLES).map(([path, { title, chosen }]) => [
        path,
        configurationTemplate(exampleIntro(title), chosen),
      ]),
    ),
  }
  for (const [path, text] of Object.entries(pages)) {
    const file = join(root, path)
    if (!process.argv.includes('--check')) {
      writeFileSync(file, text)
    } else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${path} is stale: run npm run docs:config`)
      process.exitCode = 1
    }
  }
}
