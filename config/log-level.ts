/** Levels as Rust writes them, to ours. */
const RUST_LEVELS: Readonly<Record<string, string>> = {
  off: 'silent',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
  trace: 'trace',
}

/** What our log lines count as in RUST_LOG: pingora-slice's own module, and our name. */
const OUR_MODULES = ['pingora_slice', 'slicestream']

/**
 * The level that LOG_LEVEL (ours) or RUST_LOG (pingora-slice's) asks for, `info` when neither names one. They are no
 * part of the file, and other programs read them too: what we do not understand is no error.
 *
 * @param levels those that the configuration knows
 */
export function levelFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  levels: readonly string[],
): string {
  const plain = (env.LOG_LEVEL ?? '').trim().toLowerCase()
  const asked = levels.includes(plain) ? plain : RUST_LEVELS[plain]
  return asked ?? rustLevel(env.RUST_LOG ?? '') ?? 'info'
}

/**
 * What a list of directives means for our lines, as Rust's env_logger reads it: `info` is for everything,
 * `pingora=debug` for modules whose name begins so, pingora_slice too. The longest name that fits counts, of two that are equal the last.
 * `pingora_slice` alone means all of it.
 */
function rustLevel(text: string): string | undefined {
  let best: { length: number; level: string } | undefined
  // What follows a slash is a pattern on the text of a line.
  for (const directive of text.split('/')[0].split(',')) {
    const parts = directive.trim().split('=')
    if (parts.length > 2) continue
    const [first, second] = parts.map((part) => part.trim())
    const isPlain = second === undefined && RUST_LEVELS[first.toLowerCase()] !== undefined
    // Of a part of our module (`pingora_slice::proxy=debug`) we have no lines apart: it is taken for the whole.
    const name = isPlain ? '' : first.replaceAll('-', '_').split('::')[0]
    const level = isPlain ? first : (second ?? 'trace')
    const known = RUST_LEVELS[level.toLowerCase()]
    const fits = isPlain || (name !== '' && OUR_MODULES.some((module) => module.startsWith(name)))
    if (known === undefined || !fits || name.length < (best?.length ?? 0)) continue
    best = { length: name.length, level: known }
  }
  return best?.level
}
