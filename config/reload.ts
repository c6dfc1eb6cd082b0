import { isDeepStrictEqual } from 'node:util'
import { show } from './load.ts'
import { rules } from './rules.ts'
import { type Config, type KeySchema, schema } from './schema.ts'
import { join } from './yaml.ts'

/** A key whose value differs between what runs and what is wanted. */
export interface Change {
  /** Dotted path. */
  key: string
  from: unknown
  to: unknown
}

/** What another configuration means to a running process. */
export interface Reload {
  /** What runs from now on: as before, with the live keys of what is wanted. */
  config: Config
  /** Keys that take effect now. */
  applied: readonly Change[]
  /** Keys that keep their old value until the process is started again. */
  waiting: readonly Change[]
  /** What would be wrong with `config`, one line each: then nothing of it may be used. */
  refusals: readonly string[]
}

/** Compares what runs with a validated configuration that shall replace it. */
export function planReload(running: Config, wanted: Config): Reload {
  const found = changesOf(schema, running, wanted, '', false)
  const applied = found.filter((change) => change.live).map(withoutLive)
  const waiting = found.filter((change) => !change.live).map(withoutLive)
  const config = structuredClone(running)
  for (const { key, to } of applied) setAt(config, key, to)
  return { config, applied, waiting, refusals: waiting.length > 0 ? brokenBy(config) : [] }
}

/** `cache_ttl: 3600 -> 60`; of a secret only that it changed. */
export function describeChange({ key, from, to }: Change): string {
  const [before, after] = [show(key, from), show(key, to)]
  return before === after ? `${key}: ${after} changed` : `${key}: ${before} -> ${after}`
}

/**
 * What is wanted was judged as a whole. A part of it, with keys that wait for a restart as they were, may still be wrong:
 * PURGE without a token is allowed on the loopback address that is wanted, and not on the one that is still listened on.
 */
function brokenBy(config: Config): string[] {
  return rules.flatMap((rule) => {
    const complaint = rule.broken(config)
    const [key] = rule.keys
    return complaint === null ? [] : [`${key}: ${show(key, valueAt(config, key))} ${complaint}`]
  })
}

function changesOf(
  key: KeySchema,
  from: unknown,
  to: unknown,
  path: string,
  within: boolean,
): (Change & { live: boolean })[] {
  const live = within || key.live === true
  if (key.properties !== undefined && isSection(from) && isSection(to)) {
    return Object.entries(key.properties).flatMap(([name, inner]) =>
      changesOf(inner, from[name], to[name], join(path, name), live),
    )
  }
  return isDeepStrictEqual(from, to) ? [] : [{ key: path, from, to, live }]
}

function withoutLive({ key, from, to }: Change): Change {
  return { key, from, to }
}

type Section = Record<string, unknown>

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function valueAt(config: Config, key: string): unknown {
  return key.split('.').reduce<unknown>((at, name) => (at as Section)[name], config)
}

function setAt(config: Config, key: string, value: unknown): void {
  const names = key.split('.')
  const last = names.pop()!
  const section = names.reduce<Section>((at, name) => at[name] as Section, config as unknown as Section)
  section[last] = value
}
