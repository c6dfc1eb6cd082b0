/** More texts than these, or longer ones, are not remembered: whoever makes them up must not fill memory. */
const BOUNDS = { texts: 1000, length: 200 }

/**
 * A reading of a field that remembers what it read: nearly all messages have one of a few texts, and to read them anew
 * would cost a hit more than all else that it has to decide. What is returned is shared: never change it.
 */
export function remembered<Read>(read: (text: string) => Read, bounds = BOUNDS): (text: string) => Read {
  const known = new Map<string, Read>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = read(text)
    if (known.size === bounds.texts) known.clear()
    if (text.length <= bounds.length) known.set(text, result)
    return result
  }
}
