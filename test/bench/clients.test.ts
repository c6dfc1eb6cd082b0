import { testBenches } from './runs.ts'

testBenches({
  idle: ['### 50 idle connections', '| slicestream |'],
  stampede: ['### stampede of 50 clients', '| slicestream | 1 |'],
  stalled: ['| 20 stalled clients of one cached object |', '| 20 stalled clients of a cold object each |'],
})
