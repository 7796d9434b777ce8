import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ByteBudget } from '../../../src/util/byte-budget.js';

it('a budget grants what is left, and tells once that it is spent until all is given back', () => {
  let spent = 0;
  const budget = new ByteBudget(100, () => (spent += 1));
  assert.deepEqual([budget.take(60), budget.take(0), spent], [60, 0, 0]);
  assert.deepEqual([budget.take(60), budget.take(1), spent], [40, 0, 1]);
  budget.giveBack(60);
  assert.deepEqual([budget.take(70), spent], [60, 1]);
  budget.giveBack(100);
  assert.deepEqual([budget.take(80, 1_000), spent], [100, 1]);
  budget.giveBack(100);
  assert.deepEqual([budget.take(101), spent], [100, 2]);
});
