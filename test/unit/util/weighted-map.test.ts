import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WeightedMap } from '../../../src/util/weighted-map.js';

describe('WeightedMap', () => {
  const kept = (map: WeightedMap<string>): (string | undefined)[] =>
    ['a', 'b', 'c'].map((key) => map.get(key));

  it('lets go of what was set first until the rest is light enough', () => {
    const map = new WeightedMap<string>(10);
    map.set('a', 'A', 5);
    map.set('b', 'B', 5);
    assert.deepEqual(kept(map), ['A', 'B', undefined]);
    map.set('a', 'A2', 5); // now the newest
    map.set('c', 'C', 1);
    assert.deepEqual(kept(map), ['A2', undefined, 'C']);
  });

  it('keeps nothing that alone is too heavy, nor what that takes the place of', () => {
    const map = new WeightedMap<string>(10);
    map.set('a', 'A', 1);
    map.set('b', 'B', 1);
    map.set('b', 'B2', 11);
    assert.deepEqual(kept(map), ['A', undefined, undefined]);
  });

  it('counts no weight of what has gone', () => {
    const map = new WeightedMap<string>(10);
    map.set('a', 'A', 10);
    map.delete('a');
    map.delete('a');
    map.set('b', 'B', 10);
    map.clear();
    map.set('c', 'C', 5);
    map.set('a', 'A', 5);
    assert.deepEqual(kept(map), ['A', undefined, 'C']);
  });
});
