/** What JSON of another process may hold: each reader has a value for what is not there, or of another kind. */
export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function recordIn(from: JsonRecord, member: string): JsonRecord | undefined {
  const value = from[member];
  return isRecord(value) ? value : undefined;
}

export function recordsIn(from: JsonRecord, member: string): readonly JsonRecord[] {
  const value = from[member];
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

export function textIn(from: JsonRecord, member: string): string {
  const value = from[member];
  return typeof value === 'string' ? value : '';
}

export function textsIn(from: JsonRecord, member: string): readonly string[] {
  const value = from[member];
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

export function numberIn(from: JsonRecord, member: string): number | undefined {
  const value = from[member];
  return typeof value === 'number' ? value : undefined;
}
