import { keyedTarget, spelling } from '../../semantics/key.ts'
import { matchesGlob, readPattern } from '../../semantics/path-pattern.ts'
import { tagsOf } from '../../semantics/tags.ts'
import type { Head } from '../../semantics/types.ts'
import { isAhead } from '../../upstream/clock.ts'
import type { Ban, BanMode, BanTarget, Verdict } from './ban.ts'

/** Bans that are remembered one by one; the oldest of more become bans of everything. Globs are tried one by one. */
export const MAX_BANS = 10_000
export const MAX_GLOBS = 500
/** Characters of all their names: some are chosen by origins, and as long as a field may be. */
export const MAX_CHARACTERS = 2_000_000

const MODES: readonly BanMode[] = ['gone', 'invalid', 'stale']
/** No host can be named so. */
const EVERY_HOST = '/'
const ALL: BanTarget = { kind: 'all' }

/** When each thing was banned last, in each mode; 0 = never. */
interface Rule extends Record<BanMode, number> {
  readonly what: BanTarget
}

interface Glob {
  readonly authority: string | null
  readonly parts: readonly string[]
  readonly rule: Rule
}

/** The bans in force. A look-up costs one comparison unless something was banned since the response was asked for. */
export interface BanList {
  add(ban: Ban): void
  /** What the bans since then say of a stored response, null = nothing. */
  verdict(head: Head): Verdict | null
  /** Those that are still needed. */
  bans(): Ban[]
  /** Forgets what was banned at that time or before: nothing so old is stored any more. */
  retire(time: number): void
  /** The last such time: what was asked for before it must not be stored. */
  readonly retiredTo: number
  readonly size: number
  /** Time of the newest of them, 0 without any. */
  readonly newest: number
}

export function createBanList(): BanList {
  /** By name, the one that was banned longest ago in front. */
  const rules = new Map<string, Rule>()
  const globs = new Map<string, Glob>()
  /** How long the prefixes are, and how many have that length: a path is looked up once for each. */
  const prefixLengths = new Map<number, number>()
  /** Heads are judged once for each change of the list, not at each hit. */
  const judged = new WeakMap<Head, { serial: number; verdict: Verdict | null }>()
  let serial = 0
  let newest = 0
  let characters = 0
  let retiredTo = 0

  function add({ what, mode, time }: Ban): void {
    const name = nameOf(what)
    const rule = rules.get(name) ?? { what, gone: 0, invalid: 0, stale: 0 }
    // So that it is set as the last one.
    if (rules.has(name)) remove(name)
    index(name, rule, 1)
    rules.set(name, rule)
    rule[mode] = Math.max(rule[mode], time)
    newest = Math.max(newest, time)
    serial++
    while (globs.size > MAX_GLOBS) generalise(globs.keys().next().value!)
    while (rules.size > MAX_BANS || characters > MAX_CHARACTERS) generalise(firstOtherThanAll())
  }

  function index(name: string, rule: Rule, by: 1 | -1): void {
    characters += by * name.length
    const { what } = rule
    if (what.kind !== 'paths') return
    const pattern = readPattern(what.pattern)
    if ('parts' in pattern) {
      if (by === 1) globs.set(name, { authority: what.authority, parts: pattern.parts, rule })
      else globs.delete(name)
      return
    }
    const { length } = pattern.prefix
    const count = (prefixLengths.get(length) ?? 0) + by
    if (count > 0) prefixLengths.set(length, count)
    else prefixLengths.delete(length)
  }

  function remove(name: string): void {
    index(name, rules.get(name)!, -1)
    rules.delete(name)
  }

  function firstOtherThanAll(): string {
    for (const name of rules.keys()) if (name !== nameOf(ALL)) return name
    throw new Error('a list of one ban cannot be too long')
  }

  /** What is remembered no longer for itself counts for everything: purged too much, never too little. */
  function generalise(name: string): void {
    const rule = rules.get(name)!
    remove(name)
    for (const mode of MODES) if (rule[mode] > 0) add({ what: ALL, mode, time: rule[mode] })
  }

  function judge(head: Head): Verdict | null {
    const times = { gone: 0, invalid: 0, stale: 0 }
    const consider = (rule: Rule | undefined) => {
      if (rule === undefined) return
      for (const mode of MODES) times[mode] = Math.max(times[mode], rule[mode])
    }
    const { key } = head
    consider(rules.get(nameOf(ALL)))
    consider(rules.get(nameOf({ kind: 'key', key })))
    const { scheme, authority, path: keyed } = keyedTarget(key)
    const path = spelling(keyed)
    const tags = tagsOf(head)
    for (const tag of tags) consider(rules.get(nameOf({ kind: 'tag', tag })))
    if (tags.size > 0) consider(rules.get(nameOf({ kind: 'tagged' })))
    for (const name of head.groups) consider(rules.get(nameOf({ kind: 'group', scheme, authority, name })))
    for (const length of prefixLengths.keys()) {
      if (length > path.length) continue
      const prefix = path.slice(0, length)
      consider(rules.get(prefixName(authority, prefix)))
      consider(rules.get(prefixName(null, prefix)))
    }
    for (const glob of globs.values()) {
      const isHere = glob.authority === null || glob.authority === authority
      if (isHere && matchesGlob(glob.parts, path)) consider(glob.rule)
    }
    // By a clock that was set back since: it was before anything that this process knows.
    const order = isAhead(head.order) ? 0 : head.order
    for (const mode of MODES) if (order < times[mode]) return { mode, time: times[mode] }
    return null
  }

  return {
    add,

    verdict(head) {
      if (newest === 0 || (head.order >= newest && !isAhead(head.order))) return null
      const known = judged.get(head)
      if (known?.serial === serial) return known.verdict
      const verdict = judge(head)
      judged.set(head, { serial, verdict })
      return verdict
    },

    bans() {
      const bans: Ban[] = []
      for (const rule of rules.values()) {
        for (const mode of MODES) if (rule[mode] > 0) bans.push({ what: rule.what, mode, time: rule[mode] })
      }
      return bans.sort((a, b) => a.time - b.time)
    },

    retire(time) {
      retiredTo = Math.max(retiredTo, time)
      for (const [name, rule] of rules) {
        for (const mode of MODES) if (rule[mode] <= time) rule[mode] = 0
        if (MODES.every((mode) => rule[mode] === 0)) remove(name)
      }
      newest = Math.max(0, ...[...rules.values()].flatMap((rule) => MODES.map((mode) => rule[mode])))
      serial++
    },

    get retiredTo() {
      return retiredTo
    },
    get size() {
      return rules.size
    },
    get newest() {
      return newest
    },
  }
}

/** Two things that have one name are the same: the parts that a client chooses come last, or as JSON. */
function nameOf(what: BanTarget): string {
  switch (what.kind) {
    case 'all':
    case 'tagged':
      return what.kind
    case 'key':
      return `key ${what.key}`
    case 'tag':
      return `tag ${what.tag}`
    case 'group':
      return `group ${JSON.stringify([what.scheme, what.authority, what.name])}`
    case 'paths': {
      const pattern = readPattern(what.pattern)
      if ('prefix' in pattern) return prefixName(what.authority, pattern.prefix)
      return `glob ${what.authority ?? EVERY_HOST} ${pattern.parts.join('*')}`
    }
  }
}

function prefixName(authority: string | null, prefix: string): string {
  return `prefix ${authority ?? EVERY_HOST} ${prefix}`
}
