import { testBenches } from './runs.ts'

// Peers that are not installed are left out; those that Node brings are always there.
testBenches({
  hits: [
    '### L1 hit 1 KiB',
    '### L1 hit 1 MiB',
    '| node-http |',
    '| node-tcp |',
    '| slicestream |',
    '| L1 hit 1 KiB, CPU a request',
  ],
  tiers: ['### L2 hit 64 KiB', '### L2 hit 1 MiB', '| slicestream file |', '| slicestream raw disk |'],
  ranges: ['### 206 range of 1 MiB of 100 MiB', '| slicestream |'],
  misses: [
    '### cacheable miss 1 KiB',
    '### pass-through 1 MiB',
    '| http-proxy |',
    '| cacheable miss 1 KiB, req/s',
  ],
})
