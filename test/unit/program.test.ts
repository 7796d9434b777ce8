import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { completionScript } from '../../src/cli/completion.js';

/** `cridock completion fish`, in a shell's pipe: between processes of Node.js there are sockets, which hold more. */
const WRITER = `"${process.execPath}" "${join(import.meta.dirname, '../../src/main.js')}" completion fish`;

function shell(script: string): string {
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' });
}

describe('a command', () => {
  it('ends when a reader has taken all that it tells, which is more than a pipe holds', () => {
    const whole = completionScript('fish');
    assert.ok(whole.length > 65536);
    assert.equal(shell(`${WRITER} | { read -r first; echo "$first"; cat; }`).trimEnd(), whole.trimEnd());
  });

  it('ends without a word where the reader is gone', () => {
    assert.equal(shell(`{ ${WRITER} 2>&1 >&3; } 3>&1 1>&2 | true; echo "\${PIPESTATUS[0]}"`), '0\n');
  });
});
