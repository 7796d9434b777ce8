import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { pack, type Headers } from 'tar-stream';
import { unpackCheckpoint } from '../../../src/checkpoint/unpack.js';
import { Code } from '../../../src/util/cri-error.js';

type Entry = readonly [Headers, (string | undefined)?];

const GOOD: Entry[] = [
  [{ name: 'config.dump' }, '{}'],
  [{ name: 'spec.dump' }, '{}'],
  [{ name: 'dump.log' }, 'passed over'],
  [{ name: 'checkpoint/', type: 'directory' }],
  [{ name: 'checkpoint/inventory.img' }, 'x'],
];

async function archiveOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  const whole = buffer(tar);
  for (const [header, text] of entries) tar.entry(header, text ?? '');
  tar.finalize();
  return whole;
}

function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cridock-unpack-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'in'));
  return join(folder, 'in');
}

const unpack = (bytes: Buffer, folder: string, kind: 'archive' | 'image' = 'archive'): Promise<void> =>
  unpackCheckpoint(Readable.from([bytes]), folder, kind, 'field', new AbortController().signal);

describe('unpackCheckpoint', () => {
  it('takes what a restore needs, for root alone, and passes over what others write', async (t) => {
    const folder = emptyFolder(t);
    await unpack(await archiveOf(GOOD), folder);
    assert.deepEqual(readdirSync(folder).sort(), ['checkpoint', 'config.dump', 'spec.dump']);
    assert.equal(readFileSync(join(folder, 'checkpoint/inventory.img'), 'utf8'), 'x');
  });

  it('takes names with a leading "./", and a folder that is not told', async (t) => {
    const folder = emptyFolder(t);
    const entries = GOOD.filter(([{ type }]) => type !== 'directory');
    await unpack(
      await archiveOf(entries.map(([header, text]) => [{ ...header, name: `./${header.name}` }, text])),
      folder,
    );
    assert.deepEqual(readdirSync(folder).sort(), ['checkpoint', 'config.dump', 'spec.dump']);
  });

  it('refuses whatever a checkpoint does not have', async (t) => {
    const hostile: Entry[] = [
      [{ name: '../x' }, ''],
      [{ name: '/etc/x' }, ''],
      [{ name: 'checkpoint/../x' }, ''],
      [{ name: 'checkpoint/../../x' }, ''],
      [{ name: 'checkpoint//x' }, ''],
      [{ name: 'checkpoint/a b' }, ''],
      [{ name: 'checkpoint/.hidden' }, ''],
      [{ name: 'checkpoint/d', type: 'directory' }],
      [{ name: 'checkpoint/d/x' }, ''],
      [{ name: `checkpoint/${'a'.repeat(300)}` }, ''],
      [{ name: 'x' }, ''],
      [{ name: 'config.dump' }, 'again'],
      [{ name: 'config.dump/x' }, ''],
      [{ name: 'checkpoint/x', type: 'symlink', linkname: '/etc/passwd' }],
      [{ name: 'checkpoint/x', type: 'link', linkname: 'spec.dump' }],
      [{ name: 'checkpoint/x', type: 'fifo' }],
      [{ name: 'checkpoint/x', type: 'block-device', devmajor: 8, devminor: 0 }],
      [{ name: 'dump.log', type: 'symlink', linkname: '/etc/passwd' }],
      [{ name: 'deleted.files' }, 'x'.repeat((16 << 20) + 1)],
    ];
    for (const entry of hostile) {
      const folder = emptyFolder(t);
      const refused = unpack(await archiveOf([...GOOD, entry]), folder);
      await assert.rejects(
        refused,
        { code: Code.INVALID_ARGUMENT, message: /^field: is no checkpoint/ },
        entry[0].name,
      );
      assert.deepEqual(readdirSync(join(folder, '..')), ['in'], entry[0].name);
    }
    const link: Entry = [{ name: 'checkpoint', type: 'symlink', linkname: '/tmp' }];
    const linked = unpack(await archiveOf([link, ...GOOD]), emptyFolder(t));
    await assert.rejects(linked, { code: Code.INVALID_ARGUMENT });
  });

  it('refuses what is cut short, or lacks a part', async (t) => {
    const whole = await archiveOf(GOOD);
    for (const bytes of [
      whole.subarray(0, 700),
      whole.subarray(0, 512),
      Buffer.alloc(0),
      Buffer.alloc(5000, 1),
    ]) {
      await assert.rejects(unpack(bytes, emptyFolder(t)), { code: Code.INVALID_ARGUMENT });
    }
    for (const left of ['config.dump', 'spec.dump', 'checkpoint/inventory.img']) {
      const bytes = await archiveOf(GOOD.filter(([{ name }]) => name !== left));
      await assert.rejects(unpack(bytes, emptyFolder(t)), {
        code: Code.INVALID_ARGUMENT,
        message: new RegExp(left),
      });
    }
  });

  it('passes over what an image has besides, but not among the parts of a checkpoint', async (t) => {
    const folder = emptyFolder(t);
    const ofImage = GOOD.map(([header, text]): Entry => [{ ...header, name: `/${header.name}` }, text]);
    const besides: Entry[] = [
      [{ name: '/', type: 'directory' }],
      [{ name: '/.dockerenv' }, ''],
      [{ name: '/etc/mtab', type: 'symlink', linkname: '/proc/mounts' }],
      [{ name: '/../x' }, ''],
    ];
    await unpack(await archiveOf([...besides, ...ofImage]), folder, 'image');
    assert.deepEqual(readdirSync(folder).sort(), ['checkpoint', 'config.dump', 'spec.dump']);
    const link: Entry = [{ name: '/checkpoint/x.img', type: 'symlink', linkname: '/etc/passwd' }];
    const refused = unpack(await archiveOf([...ofImage, link]), emptyFolder(t), 'image');
    await assert.rejects(refused, { code: Code.INVALID_ARGUMENT });
  });

  it("ends when nobody waits, with the signal's reason", async (t) => {
    const endless = new Readable({
      read() {
        // Nothing comes.
      },
    });
    const controller = new AbortController();
    const work = unpackCheckpoint(endless, emptyFolder(t), 'archive', 'field', controller.signal);
    controller.abort(new Error('given up'));
    await assert.rejects(work, /given up/);
  });
});
