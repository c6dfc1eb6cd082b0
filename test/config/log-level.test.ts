import t from 'tap'
import { levelFromEnv } from '../../config/log-level.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
const level = (env: Record<string, string>) => levelFromEnv(env, LEVELS)

t.test('RUST_LOG means for our lines what it meant for those of pingora-slice', async (t) => {
  const expected = {
    debug: 'debug',
    ' WARN ': 'warn',
    off: 'silent',
    'pingora_slice=debug': 'debug',
    'slicestream=trace': 'trace',
    'info,pingora_slice=debug': 'debug',
    'pingora_slice=debug,info': 'debug',
    'pingora-slice=warn': 'warn',
    'pingora_slice::proxy=debug': 'debug',
    'info,pingora=debug': 'debug',
    'pingora=error,pingora_slice=info': 'info',
    pingora_slice: 'trace',
    'debug,pingora_core=warn': 'debug',
    'pingora_core=warn,hyper=error,debug': 'debug',
    'info,debug': 'debug',
    'warn/timeout': 'warn',
  }
  for (const [text, wanted] of Object.entries(expected)) t.equal(level({ RUST_LOG: text }), wanted, text)
})

t.test('what names no level for us is no error', async (t) => {
  for (const text of [
    '',
    ',',
    '=',
    'nonsense',
    'pingora_slice=loud',
    'hyper=debug',
    'a=b=c',
    '=debug',
    '/x',
  ]) {
    t.equal(level({ RUST_LOG: text }), 'info', JSON.stringify(text))
  }
})

t.test('LOG_LEVEL wins, and takes our names of levels too', async (t) => {
  t.equal(level({ LOG_LEVEL: 'Error', RUST_LOG: 'debug' }), 'error')
  t.equal(level({ LOG_LEVEL: 'fatal' }), 'fatal')
  t.equal(level({ LOG_LEVEL: 'off' }), 'silent')
  t.equal(level({ LOG_LEVEL: 'loud', RUST_LOG: 'debug' }), 'debug')
})
