/** As the types in src/gen have messages, for protobufjs: what is not set is there with its default, 64-bit numbers are texts. */
export const DECODED = { longs: String, enums: Number, defaults: true, arrays: true, objects: true } as const;
