import { testBenches } from './runs.ts'

testBenches({
  'latency/hits': ['### L1 hit 1 KiB at 1000 req/s', 'no core, ms/s', '| slicestream |', '| node-http |'],
  'latency/misses': ['added p50', '| origin |', '| slicestream |', '| http-proxy |'],
  zipf: ['### Zipf trace', '| slicestream |', '| slicestream file |', '| plain LRU |'],
})
