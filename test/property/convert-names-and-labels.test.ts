import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { containerLabels, parseLabels, sandboxLabels } from '../../src/convert/text/labels.js';
import { containerName, parseName, sandboxName } from '../../src/convert/text/names.js';
import { CriError } from '../../src/util/cri-error.js';

const parameters = { seed: 20_261_122, numRuns: 500 };
const attempt = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[A-Za-z0-9._-]{0,12}$/));
const pod = fc.record({ name: anyText, namespace: anyText, uid: anyText, attempt });

describe('names, for any metadata', () => {
  it('parse back, or were refused', () => {
    const property = fc.property(pod, anyText, attempt, (metadata, name, containerAttempt) => {
      const sandbox = unlessRefused(() => sandboxName(metadata));
      if (sandbox !== undefined) {
        const { name: podName, namespace, uid } = metadata;
        const expected = {
          kind: 'sandbox',
          containerName: 'POD',
          podName,
          namespace,
          uid,
          attempt: metadata.attempt,
        };
        assert.deepEqual(parseName(`/${sandbox}`), expected);
        assert.match(sandbox, /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/, 'Docker takes it');
      }
      const container = unlessRefused(() => containerName({ name, attempt: containerAttempt }, metadata));
      if (container !== undefined) {
        const { podName, containerName: parsed, attempt: parsedAttempt, kind } = parseName(container) ?? {};
        assert.deepEqual(
          [kind, parsed, podName, parsedAttempt],
          ['container', name, metadata.name, containerAttempt],
        );
      }
    });
    fc.assert(property, parameters);
  });

  it('parse or do not, whatever the name', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\/?k?8?s?[_a-zP0-9.]{0,30}$/), (name) => void parseName(name)),
      parameters,
    );
  });
});

describe('labels, for any labels and annotations', () => {
  const key = fc.oneof(
    anyText,
    fc.constantFrom(
      ...[
        'io.kubernetes.docker.type',
        'io.kubernetes.sandbox.id',
        'io.kubernetes.container.name',
        '__proto__',
      ],
      ...[
        'io.kubernetes.container.logpath',
        'annotation.',
        'annotation.x',
        'io.cridock.x',
        'io.cridock.label.x',
      ],
    ),
  );
  const map = fc
    .array(fc.tuple(key, fc.string({ unit: 'binary' })))
    .map((entries) => Object.fromEntries(entries));

  it('come back as they were', () => {
    const property = fc.property(
      map,
      map,
      fc.string(),
      fc.string(),
      (labels, annotations, sandboxId, logPath) => {
        const facts = { labels, annotations, own: { image: 'x' } };
        assert.deepEqual(parseLabels(sandboxLabels(facts)), { kind: 'sandbox', ...facts });
        const ofContainer = { ...facts, sandboxId, logPath };
        assert.deepEqual(parseLabels(containerLabels(ofContainer)), { kind: 'container', ...ofContainer });
      },
    );
    fc.assert(property, parameters);
  });
});

function unlessRefused(action: () => string): string | undefined {
  try {
    return action();
  } catch (error) {
    assert.ok(error instanceof CriError);
    return undefined;
  }
}
