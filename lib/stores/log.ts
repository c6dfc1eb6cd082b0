/** Told of what an operator wants to know of a store; pino and Fastify's log fit. */
export interface StoreLog {
  info(detail: object, message: string): void
  warn(detail: object, message: string): void
}
