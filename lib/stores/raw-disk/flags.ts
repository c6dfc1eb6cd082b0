/** Bits that the index keeps with an entry, and the footer and the snapshot too. */

/** Read since it was written to where it is. */
export const WAS_HIT = 1
/** The payload is compressed: parts of it cannot be read alone. */
export const COMPRESSED = 2
