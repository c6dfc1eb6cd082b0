import { spawnSync } from 'node:child_process'
import { programPath } from '../../test/helpers/program-path.ts'

/** null when it is there, else a part of a sentence. */
export function missingProgram(name: string, debianPackage: string): string | null {
  return programPath(name) === undefined ? `${name} is not installed (Debian: ${debianPackage})` : null
}

/** The first version number that the program prints when asked. */
export function versionOf(name: string, flag: string): string {
  const { stdout, stderr } = spawnSync(programPath(name)!, [flag], { encoding: 'utf8' })
  return /\d+\.\d+(\.\d+)*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown'
}
