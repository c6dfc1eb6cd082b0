import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { formatErrors, type LoadOptions, loadConfig } from './load.ts'
import type { Config } from './schema.ts'

/** A configuration file that cannot be used; its message has one line for each thing that is wrong. */
export class ConfigFileError extends Error {
  override readonly name = 'ConfigFileError'
}

/**
 * Reads a configuration file.
 * @throws {ConfigFileError} when it cannot be read or anything in it is wrong.
 */
export function readConfig(
  file: string,
  env: LoadOptions['env'],
  overrides?: LoadOptions['overrides'],
): Config {
  return parse(readText(file), { file, env, overrides })
}

/** A file is whole when it says the same after such a pause, and is not waited for longer than that; both in milliseconds. */
const PAUSE = 100
const PATIENCE = 2000

/**
 * Reads a configuration file that somebody may be writing just now: half of a YAML file is often a good one that means
 * something else.
 * @throws {ConfigFileError} also when it kept changing.
 */
export async function readSettledConfig(options: LoadOptions): Promise<Config> {
  const deadline = performance.now() + PATIENCE
  for (let before = tryRead(options.file); ; ) {
    await wait(PAUSE)
    const now = tryRead(options.file)
    if (now.text === before.text && now.error?.message === before.error?.message) {
      if (now.error) throw now.error
      return parse(now.text, options)
    }
    if (performance.now() > deadline) {
      throw new ConfigFileError(`${options.file}: kept changing for ${PATIENCE / 1000} seconds`)
    }
    before = now
  }
}

function parse(text: string, options: LoadOptions): Config {
  const { config, errors } = loadConfig(text, options)
  if (errors) throw new ConfigFileError(formatErrors(errors, options.file))
  return config
}

/** A file that is replaced may not be there for a moment. */
function tryRead(file: string): { text: string; error?: Error } {
  try {
    return { text: readText(file) }
  } catch (error) {
    return { text: '', error: error as Error }
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      { ENOENT: 'no such file', EACCES: 'permission denied', EISDIR: 'is a directory' }[code ?? ''] ?? message
    throw new ConfigFileError(`${file}: ${why}`)
  }
}
