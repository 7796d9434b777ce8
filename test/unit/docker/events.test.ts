import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEvent, sinceNow } from '../../../src/docker/events.js';
import { Code } from '../../../src/util/cri-error.js';

const line = (attributes: Record<string, string>) =>
  `{"status":"die","id":"c0","Type":"container","Action":"die","Actor":{"ID":"c0","Attributes":${JSON.stringify(
    attributes,
  )}},"scope":"local","time":1732278997,"timeNano":1732278997123456789}`;

describe('events', () => {
  it('keeps all digits of the time', () => {
    const { Type, Action, Actor, timeNano } = parseEvent(line({ exitCode: '137' }));
    assert.deepEqual(
      [Type, Action, Actor],
      ['container', 'die', { ID: 'c0', Attributes: { exitCode: '137' } }],
    );
    assert.equal(timeNano, 1732278997123456789n);
  });

  it('is not misled by labels that look like the time', () => {
    const labels = { timeNano: '1', note: '"timeNano":2', 'x"timeNano': '3', 'y\\': '\\"timeNano":4' };
    const event = parseEvent(line(labels));
    assert.equal(event.timeNano, 1732278997123456789n);
    assert.deepEqual(event.Actor.Attributes, labels);
  });

  it('refuses what is not an event', () => {
    assert.throws(() => parseEvent('{"Type":"container"}'), { code: Code.INTERNAL });
    assert.throws(() => parseEvent('404 page not found'), { code: Code.INTERNAL });
  });

  it('writes since as seconds with a fraction', () => {
    assert.equal(sinceNow(1_732_278_997_005), '1732278997.005');
  });
});
