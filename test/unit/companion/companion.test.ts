import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Companion } from '../../../src/companion/companion.js';
import { silentLogger } from '../../../src/util/log.js';
import { ENGINE_INFO } from '../../support/engine-info.js';
import { until } from '../../support/until.js';

describe('the companion runtime', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'companion-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is what it was found to be last, while a program that does not answer is asked anew', async () => {
    const [program, pid] = [join(folder, 'runc'), join(folder, 'pid')];
    await writeFile(program, '#!/bin/sh\necho cridock-companion 0\n', { mode: 0o755 });
    const companion = new Companion(folder, () => true, silentLogger, program);
    const before = { ...ENGINE_INFO, Containerd: { Address: '/run/x.sock' } };
    const first = await companion.knownAbilities(before);
    assert.match(first.missing, /another version/);
    await writeFile(program, `#!/bin/sh\necho $$ >${pid}.new; mv ${pid}.new ${pid}; exec sleep 600\n`);
    const now = { ...before };
    assert.equal(await companion.knownAbilities(now), first);
    await until('it to be asked', () => existsSync(pid));
    assert.equal(await companion.knownAbilities(now), first);
    process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
    const second = await companion.abilities(now);
    assert.match(second.missing, /is no companion/);
    assert.equal(await companion.knownAbilities(now), second);
  });
});
