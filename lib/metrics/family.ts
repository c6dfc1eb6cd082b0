/** One value of a family, with its labels. */
export interface Sample {
  labels?: Record<string, string>
  value: number
}

/** One metric as Prometheus sees it. Names and meanings are part of the contract with dashboards and alerts. */
export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge'
  labelNames?: readonly string[]
  read(): readonly Sample[]
}

/** Families of a single number without labels, read from one source; 0 while that is not there. */
export function readers<Source>(source: () => Source | undefined) {
  const family =
    (type: Family['type']) =>
    (name: string, help: string, value: (from: Source) => number): Family => {
      return {
        name,
        help,
        type,
        read() {
          const from = source()
          return [{ value: from === undefined ? 0 : value(from) }]
        },
      }
    }
  return { counter: family('counter'), gauge: family('gauge') }
}
