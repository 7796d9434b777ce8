import { nameOfCode, type Code } from '../../../src/util/cri-error.js';
import type { Outcome } from './deliver.js';

/** Counts outcomes by a name, such as that of an RPC, and prints them as a table. */
export class Tally {
  readonly #rows = new Map<string, Map<string, number>>();

  add(row: string, outcome: Outcome): void {
    const counts = this.#rows.get(row) ?? new Map<string, number>();
    const column = outcomeName(outcome);
    this.#rows.set(row, counts.set(column, (counts.get(column) ?? 0) + 1));
  }

  lines(): string[] {
    return [...this.#rows].map(([row, counts]) => {
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      const parts = [...counts].sort(([, a], [, b]) => b - a).map(([column, count]) => `${column} ${count}`);
      return `${row}: ${total} (${parts.join(', ')})`;
    });
  }
}

export function outcomeName({ kind, code }: Outcome): string {
  if (kind === 'status') return nameOfCode(code === 0 ? undefined : (code as Code));
  if (kind === 'http') return `HTTP ${code}`;
  return kind === 'reset' ? `reset ${code}` : kind;
}
