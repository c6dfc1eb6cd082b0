import type { Bench } from '../harness.ts'
import { benchCompression } from './compression.ts'
import { benchIndexMemory } from './index-memory.ts'
import { benchLatency } from './latency.ts'
import { benchPuts } from './puts.ts'
import { benchReads } from './reads.ts'
import { benchRestart } from './restart.ts'
import { benchThreads } from './threads.ts'

const PARTS: Record<string, (bench: Bench) => Promise<void>> = {
  reads: benchReads,
  puts: benchPuts,
  async index(bench) {
    await benchLatency(bench, await benchRestart(bench))
  },
  'index-memory': benchIndexMemory,
  compression: benchCompression,
  threads: benchThreads,
}

/**
 * The disk tiers: against each other, and against the disk with nothing around it.
 * @param part the name of one of the parts; all of them when it is undefined
 */
export async function benchStores(bench: Bench, part?: string): Promise<void> {
  for (const [name, run] of Object.entries(PARTS)) if (part === undefined || part === name) await run(bench)
}
