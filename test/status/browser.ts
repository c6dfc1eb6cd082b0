import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Scope } from '../helpers/scope.ts'

/** Names under which systems have it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Undefined where there is no Chromium; `CHROMIUM` names one that is not in PATH. */
export const chromiumPath: string | undefined = [
  process.env.CHROMIUM ?? '',
  ...(process.env.PATH ?? '').split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name))),
].find((path) => path !== '' && existsSync(path))

/** For a test's `skip`: a reason, or false. */
export const withoutChromium = chromiumPath === undefined && 'there is no Chromium in PATH (or at $CHROMIUM)'

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openBrowser(t: Scope): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ARGS })
  t.teardown(() => browser.close())
  return browser
}

/** What a page did that it should not have done. */
export interface Watched {
  page: Page
  /** Console errors and uncaught ones. */
  errors: string[]
  /** Requests to anywhere but the page's own origin. */
  elsewhere: string[]
}

export async function openPage(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<Watched> {
  const page = await browser.newPage({ locale: 'en-GB', ...options })
  const watched: Watched = { page, errors: [], elsewhere: [] }
  page.on('console', (message) => {
    if (message.type() === 'error') watched.errors.push(message.text())
  })
  page.on('pageerror', (error) => watched.errors.push(String(error)))
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    if (protocol !== 'data:' && origin !== new URL(url).origin) watched.elsewhere.push(request.url())
  })
  await page.goto(url)
  return watched
}
