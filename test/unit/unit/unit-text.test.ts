import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { unitText } from '../../../src/unit/unit-text.js';

describe('unitText', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cridock-unit-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  function file(path: string, text: string): string {
    const full = join(directory, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    return full;
  }

  it('has the unit, then its drop-ins by name, of which the folder that wins is taken', async () => {
    const unit = file('lib/a.service', 'unit');
    file('lib/a.service.d/20.conf', 'hidden');
    const late = file('etc/a.service.d/20.conf', 'late\n');
    const early = file('lib/a.service.d/10.conf', 'early\n');
    file('etc/a.service.d/README', 'no drop-in');
    file('etc/b.service.d/30.conf', 'of another unit');
    const text = await unitText('a.service', unit, [join(directory, 'lib'), join(directory, 'etc')]);
    assert.equal(text, `# ${unit}\nunit\n\n# ${early}\nearly\n\n# ${late}\nlate\n`);
    assert.equal(await unitText('none.service', '/nowhere', [directory]), '');
  });
});
