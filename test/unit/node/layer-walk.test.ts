import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  chmodSync,
  chownSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { measureFolder, walkFolder } from '../../../src/node/layer-walk.js';
import {
  addDepth,
  addFifo,
  addFiles,
  addSparse,
  makeAndDelete,
  makeLayer,
  MIB,
  moveFolders,
  swapLinks,
} from '../../support/hostile-layers.js';

const unpaced = (): Promise<void> => Promise.resolve();
const isRoot = process.getuid?.() === 0;

/** Descriptors of this process that are somewhere in the folder. */
function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((target) => target.startsWith(folder));
}

process.setMaxListeners(0); // each layer is removed at the exit

describe('measureFolder', () => {
  it('counts what is allocated, a file of several names once, and no holes', async () => {
    const folder = makeLayer();
    mkdirSync(path.join(folder, 'below'));
    writeFileSync(path.join(folder, 'below', 'file'), Buffer.alloc(2 * MIB, 1));
    linkSync(path.join(folder, 'below', 'file'), path.join(folder, 'same'));
    linkSync(path.join(folder, 'below', 'file'), path.join(folder, 'same-again'));
    symlinkSync('/etc', path.join(folder, 'link'));
    writeFileSync(path.join(folder, 'hole'), '');
    truncateSync(path.join(folder, 'hole'), 100 * MIB);
    const size = await measureFolder(folder, unpaced);
    assert.equal(size?.inodes, 5);
    assert.equal(size.isWhole, true);
    assert.ok(size.bytes >= 2 * MIB && size.bytes < 2.1 * MIB, `${size.bytes} bytes`);
  });

  it('rests after every few entries', async () => {
    const folder = makeLayer();
    for (let index = 0; index < 200; index += 1) writeFileSync(path.join(folder, String(index)), '');
    let pauses = 0;
    await measureFolder(folder, () => {
      pauses += 1;
      return Promise.resolve();
    });
    assert.equal(pauses, 3);
  });

  it('answers nothing for a folder that is not there', async () => {
    assert.equal(await measureFolder('/nonexistent/layer', unpaced), undefined);
  });

  it('reaches what no path reaches', async () => {
    const folder = makeLayer();
    addDepth(folder, 100, 'n'.repeat(255), MIB);
    const size = await measureFolder(folder, unpaced);
    assert.equal(size?.inodes, 102);
    assert.ok(size.isWhole && size.bytes >= MIB);
    assert.deepEqual(openBelow(folder), []);
  });

  it('takes names that are not UTF-8', async () => {
    const folder = makeLayer();
    mkdirSync(Buffer.from(`${folder}/f\xff\xfe`, 'latin1'));
    writeFileSync(Buffer.from(`${folder}/f\xff\xfe/\xc0file`, 'latin1'), Buffer.alloc(MIB, 1));
    const size = await measureFolder(folder, unpaced);
    assert.equal(size?.inodes, 3);
    assert.ok(size.bytes >= MIB);
  });

  it('walks through more folders than it remembers', async () => {
    const folder = makeLayer();
    for (let index = 0; index < 4_200; index += 1) mkdirSync(path.join(folder, String(index)));
    writeFileSync(path.join(folder, 'file'), '');
    const size = await measureFolder(folder, unpaced);
    assert.deepEqual([size?.inodes, size?.isWhole], [4_202, true]);
  });

  it('waits for no FIFO, and takes a sparse file for what it is', async () => {
    const folder = makeLayer();
    addFifo(folder);
    addSparse(folder);
    const size = await measureFolder(folder, unpaced);
    assert.equal(size?.inodes, 3);
    assert.ok(size.bytes < MIB);
  });

  it('follows no link that is swapped in, and no folder that is moved', async (t) => {
    const [folder, outside] = [makeLayer(), makeLayer()];
    for (let index = 0; index < 20; index += 1) {
      mkdirSync(path.join(outside, String(index)));
      writeFileSync(path.join(outside, String(index), 'file'), Buffer.alloc(MIB, 1));
    }
    await swapLinks(t, folder, outside);
    await moveFolders(t, folder);
    await makeAndDelete(t, folder);
    let most = 0;
    for (let round = 0; round < 50; round += 1) {
      const size = await measureFolder(folder, unpaced);
      most = Math.max(most, size?.bytes ?? 0);
    }
    assert.ok(most < MIB, `${most} bytes`);
    assert.deepEqual(openBelow(folder), []);
  });

  it('leaves out what it may not read, and says so', { skip: !isRoot && 'needs root' }, async () => {
    const folder = makeLayer();
    mkdirSync(path.join(folder, 'closed'));
    chmodSync(path.join(folder, 'closed'), 0);
    writeFileSync(path.join(folder, 'file'), Buffer.alloc(MIB, 1));
    chownSync(folder, 65_534, 65_534);
    process.seteuid?.(65_534);
    try {
      const size = await measureFolder(folder, unpaced);
      assert.deepEqual([size?.inodes, size?.isWhole], [3, false]);
      assert.ok((size?.bytes ?? 0) >= MIB);
    } finally {
      process.seteuid?.(0);
    }
  });
});

describe('walkFolder', () => {
  it('tells what it has counted, and closes what it has opened when it is given up', async () => {
    const folder = makeLayer();
    addFiles(folder, 2_000);
    const walk = walkFolder(folder);
    let last = 0;
    for (let step = 0; step < 10; step += 1) {
      const { value } = await walk.next();
      assert.ok((value?.inodes ?? 0) > last);
      last = value?.inodes ?? 0;
    }
    assert.ok(last < 2_000);
    await walk.return(undefined);
    assert.deepEqual(openBelow(folder), []);
  });
});
