import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerLogPath } from '../../../../src/convert/container/log-path.js';
import { assertRefused } from '../refusals.js';

describe('containerLogPath', () => {
  it('joins', () => {
    assert.equal(containerLogPath('/var/log/pods/a/', 'c1/0.log'), '/var/log/pods/a/c1/0.log');
    assert.equal(containerLogPath('/var/log', '..data..log'), '/var/log/..data..log');
  });

  it('is empty without a directory or a path', () => {
    assert.equal(containerLogPath('/var/log', ''), '');
    assert.equal(containerLogPath('', 'c.log'), '');
  });

  it('refuses what leaves the directory or is no file', () => {
    for (const path of [
      '../x',
      'a/../../x',
      'a/..',
      '/etc/passwd',
      'a\0b',
      '.',
      './',
      'a/',
      'a'.repeat(5000),
    ]) {
      assertRefused(() => containerLogPath('/var/log', path), 'config.log_path');
    }
    assertRefused(() => containerLogPath('', '../x'), 'config.log_path');
    assertRefused(() => containerLogPath('logs', 'x'), 'sandbox_config.log_directory');
  });
});
