import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DumpOrder } from '../../src/checkpoint/dump-process.js';

/** A runtime, as `plainContainer` takes one, that hangs until it is told to end, or its folder is removed. */
export const HANGS = ': >$0.begun; while [ -e $0.begun ] && [ ! -e $0.end ]; do sleep 0.05; done';

/** What is to be written down, and how it goes. */
export interface PlainContainer extends DumpOrder {
  /** Of its freezer. */
  state: () => string;
  /** Whether a runtime that hangs was begun. */
  isBegun: () => boolean;
  /** Ends a runtime that hangs. */
  letEnd: () => void;
}

/** A container whose freezer is a plain file, and whose runtime does what `runtime`, a shell's text, says. */
export function plainContainer(
  t: TestContext,
  runtime = 'exit 0',
  containerId = 'c'.repeat(64),
): PlainContainer {
  const work = mkdtempSync(join(tmpdir(), 'cridock-dump-'));
  t.after(() => rmSync(work, { recursive: true, force: true }));
  const [file, program] = [join(work, 'freezer.state'), join(work, 'runtime')];
  writeFileSync(file, 'thawed\n');
  writeFileSync(program, `#!/bin/sh\n${runtime}\n`);
  chmodSync(program, 0o755);
  return {
    containerId,
    bundle: {
      folder: work,
      config: '{}',
      runtime: program,
      path: '/usr/bin:/bin',
      stateRoot: work,
      systemdCgroup: false,
    },
    freezer: {
      file,
      freeze: 'frozen',
      thaw: 'thawed',
      isToRepeat: false,
      told: { file, pattern: /^frozen$/m },
    },
    criu: '/nonexistent',
    work,
    state: () => readFileSync(file, 'utf8').trim(),
    isBegun: () => existsSync(`${program}.begun`),
    letEnd: () => writeFileSync(`${program}.end`, ''),
  };
}
