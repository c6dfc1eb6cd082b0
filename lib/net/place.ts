import { type Address, formatAddress } from './address.ts'

/** Where a server listens. */
export interface Place extends Address {
  /** Others may listen there too (SO_REUSEPORT); the system spreads connections over all. Default false. */
  reusePort?: boolean
  /** A listening socket that was handed to this process: then `host` and `port` say nothing. */
  fd?: number
}

/** What one may call it in a message. */
export function describePlace(place: Place): string {
  return place.fd === undefined ? formatAddress(place) : `the socket handed over as fd ${place.fd}`
}

/** Makes an error of `listen` say what is wrong, where the system's own words do not. */
export function explainListenError(error: NodeJS.ErrnoException, place: Place): Error {
  if (place.fd !== undefined && error.code === 'EINVAL') {
    error.message = `fd ${place.fd} is not a stream socket that can listen`
  } else if (place.reusePort && (error.code === 'ENOTSUP' || error.code === 'EOPNOTSUPP')) {
    error.message = `this system cannot let several processes listen on ${formatAddress(place)} (SO_REUSEPORT)`
  }
  return error
}
