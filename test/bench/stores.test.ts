import { testBenches } from './runs.ts'

testBenches({
  'stores/reads': ['Reads of 1 MiB slices, 16 at once'],
  'stores/puts': ['| 64 KiB | file |', '| 64 KiB | raw disk |'],
  'stores/index': ['Restart after SIGKILL, all of 20000 entries', '| puts and reclaim |'],
  'stores/index-memory': ['| 5, number known |'],
  'stores/compression': ['JSON, 16 KiB'],
  'stores/threads': ['| 4 workers, Atomics |'],
})
