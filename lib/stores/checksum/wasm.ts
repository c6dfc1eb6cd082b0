/** WebAssembly as far as it is used here: TypeScript knows it as a part of the DOM only. */
interface WebAssemblyNamespace {
  Memory: new (size: { initial: number; maximum: number }) => WasmMemory
  Module: new (bytes: Buffer) => object
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> }
  validate(bytes: Buffer): boolean
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer
}

export const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyNamespace }).WebAssembly
