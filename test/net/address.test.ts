import t from 'tap'
import {
  addressesClash,
  formatAddress,
  isAddressBlock,
  isLoopback,
  parseAddress,
  parseOrigin,
} from '../../lib/net/address.ts'

t.test('addresses are host:port or [v6]:port', async (t) => {
  t.same(parseAddress('0.0.0.0:8080'), { host: '0.0.0.0', port: 8080 })
  t.same(parseAddress('[::1]:0'), { host: '::1', port: 0 })
  t.same(parseAddress('proxy.example:80'), { host: 'proxy.example', port: 80 })
  t.same(parseAddress('localhost:80'), { host: '127.0.0.1', port: 80 })
  for (const wrong of [
    '',
    '8080',
    ':8080',
    'host',
    'host:',
    'host:65536',
    '::1:80',
    '[::1]',
    '[host]:80',
    'a b:80',
    'u@h:80',
  ]) {
    t.equal(parseAddress(wrong), null, wrong)
  }
  for (const text of ['127.0.0.1:1', '[::1]:2']) t.equal(formatAddress(parseAddress(text)!), text)
})

t.test('an origin is a scheme, a host and a port, and nothing else', async (t) => {
  t.equal(parseOrigin('origin.example:80'), 'http://origin.example')
  t.equal(parseOrigin('127.0.0.1:8081'), 'http://127.0.0.1:8081')
  t.equal(parseOrigin('https://origin.example/'), 'https://origin.example')
  t.equal(parseOrigin('HTTPS://Origin.example:8443'), 'https://origin.example:8443')
  t.equal(parseOrigin('[::1]:80'), 'http://[::1]')
  for (const wrong of [
    'origin.example',
    'ftp://h:1',
    'http://h/path',
    'http://h/?q',
    'http://u:p@h',
    'http://',
    'h:0',
    '',
  ]) {
    t.equal(parseOrigin(wrong), null, wrong)
  }
})

t.test('loopback addresses and clashes', async (t) => {
  const at = (text: string) => parseAddress(text)!
  for (const text of ['127.0.0.1:1', '127.8.8.8:1', '[::1]:1', 'localhost:1'])
    t.ok(isLoopback(at(text)), text)
  for (const text of ['0.0.0.0:1', '10.0.0.1:1', '127.evil.example:1']) t.notOk(isLoopback(at(text)), text)
  t.ok(addressesClash(at('0.0.0.0:80'), at('127.0.0.1:80')))
  t.ok(addressesClash(at('10.0.0.1:80'), at('10.0.0.1:80')))
  t.notOk(addressesClash(at('10.0.0.1:80'), at('10.0.0.2:80')))
  t.notOk(addressesClash(at('0.0.0.0:0'), at('0.0.0.0:0')), 'port 0 is another port each time')
})

t.test('address blocks', async (t) => {
  for (const right of ['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0'])
    t.ok(isAddressBlock(right), right)
  for (const wrong of [
    '',
    'host',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
  ]) {
    t.notOk(isAddressBlock(wrong), wrong)
  }
})
