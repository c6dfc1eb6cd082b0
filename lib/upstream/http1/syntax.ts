/** Which bytes may be where in a message (RFC 9110 sections 5.1, 5.5 and 5.6.2), by their code. */

const SEPARATORS = '"(),/:;<=>?@[\\]{}'

/** 1 for the characters of a token: field names and methods. */
export const TOKEN = tableOf(
  (code) => code > 0x20 && code < 0x7f && !SEPARATORS.includes(String.fromCharCode(code)),
)

/** 1 for the characters of a field value or a reason: no control character but the tab. */
export const TEXT = tableOf((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f))

/** Values of hexadecimal digits; 255 for all else. */
export const HEX = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a
export const SEMICOLON = 0x3b

function tableOf(isAllowed: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (isAllowed(code) ? 1 : 0))
}
