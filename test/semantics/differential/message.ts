import type { FieldList } from '../../../lib/semantics/types.ts'
import type { Exchange, Message } from './exchange.ts'

/** The message's fields as they are sent. */
export function allFields(message: Message): FieldList {
  const { cacheControl, fields } = message
  return cacheControl.length === 0 ? fields : ['Cache-Control', cacheControl.join(', '), ...fields]
}

/** Value of the first line of a field. @param name lower case */
export function fieldOf(message: Message, name: string): string | undefined {
  const index = message.fields.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
  return index === -1 ? undefined : message.fields[index + 1]
}

export function withoutField(message: Message, ...names: string[]): Message {
  const fields: FieldList = []
  for (let i = 0; i < message.fields.length; i += 2) {
    const [name, value] = message.fields.slice(i, i + 2)
    if (!names.includes(name.toLowerCase())) fields.push(name, value)
  }
  return { ...message, fields }
}

/** With this value in place of every line of the field. */
export function withField(message: Message, name: string, value: string): Message {
  const others = withoutField(message, name.toLowerCase())
  return { ...others, fields: [...others.fields, name, value] }
}

/** One member of Cache-Control: its name in lower case, its argument without quotes. */
export function directive(member: string): { name: string; argument: string | undefined } {
  const [, name, argument] = /^([^=]*?)\s*(?:=\s*(.*))?$/s.exec(member)!
  return { name: name.toLowerCase(), argument: argument?.replace(/^"(.*)"$/s, '$1') }
}

export function states(message: Message, ...names: string[]): boolean {
  return message.cacheControl.some((member) => names.includes(directive(member).name))
}

export function withoutDirective(message: Message, ...names: string[]): Message {
  const cacheControl = message.cacheControl.filter((member) => !names.includes(directive(member).name))
  return { ...message, cacheControl }
}

export function withDirective(message: Message, member: string): Message {
  return { ...message, cacheControl: [...message.cacheControl, member] }
}

export const bothRequests = (exchange: Exchange, change: (message: Message) => Message): Exchange => ({
  ...exchange,
  request: change(exchange.request),
  probe: change(exchange.probe),
})
export const allMessages = (exchange: Exchange, change: (message: Message) => Message): Exchange => ({
  ...bothRequests(exchange, change),
  response: change(exchange.response),
})
export const response = (exchange: Exchange, change: (message: Message) => Message): Exchange => ({
  ...exchange,
  response: change(exchange.response),
})
export const probe = (exchange: Exchange, change: (message: Message) => Message): Exchange => ({
  ...exchange,
  probe: change(exchange.probe),
})
export const eachMember = (message: Message, change: (member: string) => string[]): Message => ({
  ...message,
  cacheControl: message.cacheControl.flatMap(change),
})

/** A message with these members of Cache-Control and these fields, as a flat list. */
export function says(cacheControl: string[], ...fields: FieldList): Message {
  return { cacheControl, fields }
}

/** An exchange in which nothing is said but this. */
export function given(parts: Partial<Exchange>): Exchange {
  return { request: says([]), status: 200, response: says([]), probe: says([]), later: 0, ...parts }
}
