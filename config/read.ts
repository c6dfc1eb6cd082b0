import { readFileSync } from 'node:fs'
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
  const { config, errors } = loadConfig(readText(file), { file, env, overrides })
  if (errors) throw new ConfigFileError(formatErrors(errors, file))
  return config
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
