import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where a program is, looked for in PATH and where Debian puts daemons; undefined: nowhere. */
export function programPath(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** null when it is there, else a part of a sentence. */
export function missingProgram(name: string, debianPackage: string): string | null {
  return programPath(name) === undefined ? `${name} is not installed (Debian: ${debianPackage})` : null
}

/** The first version number that the program prints when asked. */
export function versionOf(name: string, flag: string): string {
  const { stdout, stderr } = spawnSync(programPath(name)!, [flag], { encoding: 'utf8' })
  return /\d+\.\d+(\.\d+)*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown'
}
