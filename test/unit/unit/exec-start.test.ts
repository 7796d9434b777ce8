import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { environmentIn } from '../../../src/unit/environment.js';
import { execStartOf, splitWords } from '../../../src/unit/exec-start.js';

describe('execStartOf', () => {
  it('is the last word of a unit and its drop-ins, broken lines put together', () => {
    const unit =
      '[Service]\nExecStart=/usr/bin/a --x\n\n[Service]\nExecStart=\nExecStart=-@/usr/bin/b \\\n  --y z\n';
    assert.deepEqual(execStartOf(unit), { prefix: '-@', program: '/usr/bin/b', flags: ' --y z' });
    assert.equal(execStartOf('[Service]\nExecStart=/a\nExecStart=\n'), undefined);
  });
});

describe('splitWords', () => {
  const cases: [string, string[]][] = [
    [' --a  b ', ['--a', 'b']],
    ['--network-plugin="" --x \'a b\'', ['--network-plugin=', '--x', 'a b']],
    ['"two words"more', ['two wordsmore']],
    ['$OPTS ${ONE} "$OPTS" x${ONE}y', ['--p', 'q r', '--p "q r"', '$OPTS', 'x--p "q r"y']],
    ['$NONE end', ['end']],
    ['a\\x20b %t/cri.sock 100%%', ['ax20b', '/run/cri.sock', '100%']],
  ];
  for (const [line, words] of cases) {
    it(`splits ${line}`, () => {
      assert.deepEqual(splitWords(line, { OPTS: '--p "q r"', ONE: '--p "q r"' }), words);
    });
  }
});

describe('environmentIn', () => {
  it('reads the assignments of a unit', async () => {
    const text = '[Service]\nEnvironment="A=1 2" B=3\nEnvironment=C=$x\nEnvironmentFile=-/nowhere\n';
    assert.deepEqual(await environmentIn(text), { A: '1 2', B: '3', C: '$x' });
  });
});
