import { setImmediate as nextTurn } from 'node:timers/promises';

const BATCH_SIZE = 64;

/** The items in groups of some dozens; after each group everything else gets its turn. Nothing comes of no items. */
export async function* inBatches<T>(items: Iterable<T>, size = BATCH_SIZE): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
    await nextTurn();
  }
  if (batch.length > 0) yield batch;
}
