/** The paths of all fields of a JSON value; elements of lists as `[]`. Of lists with nothing in them nothing is known below. */
export function fieldNames(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) {
    const inner = value.flatMap((element) => fieldNames(element, `${path}[]`))
    return [...new Set([path, ...inner.filter((name) => name !== `${path}[]`)])]
  }
  if (value === null || typeof value !== 'object') return [path]
  const inner = Object.entries(value).flatMap(([name, field]) =>
    fieldNames(field, path === '' ? name : `${path}.${name}`),
  )
  return path === '' ? inner : [path, ...inner]
}
