import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logConfig, type ContainerLogSettings } from '../../../../src/convert/container/log-config.js';

const SETTINGS: ContainerLogSettings = { mode: 'cri', driver: 'auto', maxSize: '16m', maxFiles: 3 };

describe('logConfig', () => {
  const typeOf = (
    changed: Partial<ContainerLogSettings>,
    isNew: boolean,
    known?: string[],
  ): string | undefined => logConfig({ ...SETTINGS, ...changed }, () => isNew, known)?.Type;

  it('takes the driver local where it keeps long lines and the Engine lists it, else json-file', () => {
    assert.equal(typeOf({}, true), 'local');
    assert.equal(typeOf({}, true, ['json-file', 'local', 'none']), 'local');
    assert.equal(typeOf({}, false, ['json-file', 'local']), 'json-file');
    assert.equal(typeOf({}, true, ['k8s-file', 'none', 'passthrough', 'journald']), 'json-file');
  });

  it('leaves it to the Engine for links, and takes the one that was asked for', () => {
    assert.equal(typeOf({ mode: 'symlink' }, true), undefined);
    assert.equal(typeOf({ driver: 'local' }, false, []), 'local');
    assert.deepEqual(
      logConfig({ ...SETTINGS, driver: 'journald' }, () => true),
      {
        Type: 'journald',
        Config: { mode: 'blocking' },
      },
    );
  });

  it('bounds what is kept in files', () => {
    assert.deepEqual(logConfig(SETTINGS, () => true)?.Config, {
      mode: 'blocking',
      'max-size': '16m',
      'max-file': '3',
      compress: 'false',
    });
  });
});
