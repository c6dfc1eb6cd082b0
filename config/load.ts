import { dirname, resolve } from 'node:path'
import { Ajv, type ErrorObject } from 'ajv'
import { isAddressBlock, parseAddress, parseOrigin } from '../lib/net/address.ts'
import { expected } from './expected.ts'
import { levelFromEnv } from './log-level.ts'
import { knownKeys, nearestKey } from './nearest.ts'
import { rules } from './rules.ts'
import { type Config, type KeySchema, schema } from './schema.ts'
import { join, readYaml, type YamlSyntaxError } from './yaml.ts'

/** One thing wrong with a configuration. */
export interface ConfigError {
  /** Dotted path; '' when the text itself is wrong. */
  key: string
  /** What stands there; undefined for a key that the file does not have. */
  value: unknown
  /** Line of the file, from 1; null when a default, a flag or the environment is to blame. */
  line: number | null
  /** One line that names key, value and what is allowed. */
  message: string
}

export type Loaded = { config: Config; errors?: undefined } | { config?: undefined; errors: ConfigError[] }

export interface LoadOptions {
  /** Path of the file that the text came from: its directory is what relative paths are relative to. */
  file: string
  env: Readonly<Record<string, string | undefined>>
  /** Values that win over the file's: flags of the command line. */
  overrides?: Partial<Pick<Config, 'listen_address' | 'upstream_address'>>
  /** What a process runs with that reads its file again: one that does not name its origin any more is only half there. */
  running?: Pick<Config, 'upstream_address'>
}

const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  coerceTypes: false,
  verbose: true,
  allowUnionTypes: true,
})
ajv.addVocabulary(['unit', 'live'])
ajv.addFormat('listen-address', (text: string) => parseAddress(text) !== null)
ajv.addFormat('upstream-address', (text: string) => parseOrigin(text) !== null)
ajv.addFormat('address-block', isAddressBlock)
ajv.addFormat('path', (text: string) => text !== '' && !text.includes('\0'))
const validate = ajv.compile<Config>(schema)
const SECRET = new Set(['purge.auth_token'])
const LEVELS = (knownKeys.get('log_level')?.enum ?? []) as readonly string[]

/** Turns the text of a YAML file into a configuration, or into everything that is wrong with it, in the file's order. */
export function loadConfig(text: string, { file, env, overrides = {}, running }: LoadOptions): Loaded {
  const yaml = readYaml(text)
  if ('reason' in yaml)
    return { errors: [textError(yaml.line, `not valid YAML: ${shownReason(yaml, text)}`)] }

  const written = yaml.value ?? {}
  if (typeof written !== 'object' || Array.isArray(written)) {
    return { errors: [textError(1, 'the file must be a mapping of keys to values')] }
  }
  const overridden = new Set(Object.keys(overrides))
  const lineOf = (key: string) => (overridden.has(key) ? null : (yaml.lines.get(key) ?? null))

  const errors: ConfigError[] = yaml.duplicates.map(({ key, line, firstLine }) => {
    return { key, value: undefined, line, message: `${key}: written twice, first on line ${firstLine}` }
  })
  const config = { log_level: levelFromEnv(env, LEVELS), ...written, ...overrides } as Config
  if (running && !('upstream_address' in config)) errors.push(...lostOrigin(running))
  if (!validate(config)) errors.push(...schemaErrors(validate.errors ?? [], lineOf))

  const wrong = new Set(errors.map((error) => error.key))
  const settled = withToken(config, env.PURGE_TOKEN)
  errors.push(...brokenRules(settled, wrong, lineOf))

  if (errors.length > 0) return { errors: errors.sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity)) }
  return { config: withAbsolutePaths(settled, dirname(resolve(file))) }
}

/** One line for each error, as compilers write them: `FILE:LINE: KEY: VALUE …`. */
export function formatErrors(errors: readonly ConfigError[], file: string): string {
  return errors.map(({ line, message }) => `${file}${line === null ? '' : `:${line}`}: ${message}`).join('\n')
}

function textError(line: number, message: string): ConfigError {
  return { key: '', value: undefined, line, message }
}

/** The first complaint about each key: ajv finds a wrong type and a wrong choice in the same number. */
function schemaErrors(found: ErrorObject[], lineOf: (key: string) => number | null): ConfigError[] {
  const byKey = new Map<string, ConfigError>()
  for (const error of found) {
    const path = error.instancePath.split('/').slice(1).map(unescapePointer).reduce(join, '')
    const unknown = error.keyword === 'additionalProperties'
    const key = unknown ? join(path, error.params.additionalProperty) : path
    if (byKey.has(key)) continue
    const value = unknown
      ? (error.data as Record<string, unknown>)[error.params.additionalProperty]
      : error.data
    const complaint = unknown
      ? `unknown key; the nearest known one is ${nearestKey(key)}`
      : `${show(key, value)} is not allowed; expected ${expected(error.parentSchema as KeySchema)}`
    byKey.set(key, { key, value, line: lineOf(key), message: `${key}: ${complaint}` })
  }
  return [...byKey.values()]
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

function brokenRules(
  config: Config,
  wrong: ReadonlySet<string>,
  lineOf: (key: string) => number | null,
): ConfigError[] {
  return rules.flatMap((rule) => {
    const complaint = rule.keys.some((key) => isWithin(key, wrong)) ? null : rule.broken(config)
    if (complaint === null) return []
    const [key] = rule.keys
    const value = key.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config)
    // A default that clashes with what the file says is told at the line of the other key.
    const line = lineOf(key) ?? rule.keys.map(lineOf).find((other) => other !== null) ?? null
    return [{ key, value, line, message: `${key}: ${show(key, value)} ${complaint}` }]
  })
}

/** Whether a key or a section that it is part of is among `keys`. */
function isWithin(key: string, keys: ReadonlySet<string>): boolean {
  return keys.has(key) || (key.includes('.') && isWithin(key.slice(0, key.lastIndexOf('.')), keys))
}

/** The default is what a file cut short says, and what nobody changes an origin to by leaving it out. */
function lostOrigin({ upstream_address: value }: Pick<Config, 'upstream_address'>): ConfigError[] {
  const key = 'upstream_address'
  if (value === knownKeys.get(key)?.default) return []
  const message = `${key}: missing, while ${show(key, value)} is in use; a file that is not whole? Write the key to change it`
  return [{ key, value: undefined, line: null, message }]
}

/** A value as it may stand in a message: short, and never a secret, also where it was put in the wrong place. */
export function show(key: string, value: unknown): string {
  if ((key === 'purge' && value !== null) || isWithin(key, SECRET)) return 'the value'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** What the parser says, without the words of the file that it quotes where these may be of a secret. */
function shownReason({ line, reason }: YamlSyntaxError, text: string): string {
  const before = text.split('\n').slice(0, line)
  const section = before.slice(
    Math.max(
      0,
      before.findLastIndex((one) => /^[^\s#]/.test(one)),
    ),
  )
  const maySay = !/purge|auth_token/i.test(section.join('\n'))
  return maySay ? reason : reason.replace(/\s*(!?["<].*|(?<=:)\s.*)/s, ' …')
}

function withToken(config: Config, token: string | undefined): Config {
  return token ? { ...config, purge: { ...config.purge, auth_token: token } } : config
}

function withAbsolutePaths(config: Config, directory: string): Config {
  const raw = config.raw_disk_cache
  return {
    ...config,
    l2_cache_dir: resolve(directory, config.l2_cache_dir),
    purge: {
      ...config.purge,
      bans_file: config.purge.bans_file && resolve(directory, config.purge.bans_file),
    },
    raw_disk_cache: raw && { ...raw, device_path: resolve(directory, raw.device_path) },
  }
}
