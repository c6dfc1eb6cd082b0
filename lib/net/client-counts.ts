/** What is counted of clients' connections. Only ever growing, but for `connectionsNow`. */
export interface ClientCounts {
  connectionsNow: number
  /** Closed as they came, because there were too many. */
  dropped: number
  /** Closed because they stood still: in the head or the body of a request, or not taking a response. */
  headerTimeouts: number
  bodyTimeouts: number
  sendTimeouts: number
}
