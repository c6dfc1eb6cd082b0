/** The part of the package that is used here; it has no types of its own. */
declare module 'autocannon' {
  interface Request {
    method?: string
    path: string
    headers?: Record<string, string>
    setupRequest?(request: Request): Request
  }
  interface Result {
    '2xx': number
    non2xx: number
    errors: number
    timeouts: number
  }
  export default function autocannon(options: {
    url: string
    connections: number
    duration?: number
    amount?: number
    timeout: number
    requests: Request[]
  }): Promise<Result>
}
