import assert from 'node:assert/strict';
import { mkdtemp, readdir, readlink, rm, stat, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Questions } from '../../../src/companion/questions.js';
import { captureLog } from '../../support/captured-log.js';
import { until } from '../../support/until.js';

const ID = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);

describe('questions of the companion', () => {
  let folder: string;
  let questions: Questions;
  const log = captureLog();
  const links = async (): Promise<string[]> =>
    (await readdir(join(folder, 'companion'))).filter((name) => !name.startsWith('socket-'));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'questions-'));
    questions = new Questions('/var/lib/x', log, folder);
    await questions.open();
  });
  after(async () => {
    await questions.close();
    await rm(folder, { recursive: true });
  });

  /** As the companion asks: all that comes back. */
  function ask(
    id: string,
    text: string,
    head = `cridock-companion 1 create ${id} ${Buffer.byteLength(text)}\n`,
  ) {
    return new Promise<string>((resolve, reject) => {
      const socket = connect(join(folder, 'companion', id));
      let reply = '';
      socket.setEncoding('utf8').on('data', (part: string) => (reply += part));
      socket.on('error', reject).on('close', () => resolve(reply));
      socket.write(head + text);
    });
  }

  it('are answered once, while the container is being started', async () => {
    const text = `{"ü":"${'x'.repeat(200_000)}"}`;
    let reply = '';
    let again = '';
    const result = await questions.answering(
      ID,
      (config) => Buffer.from(`config ${config === text}\n`),
      async () => {
        reply = await ask(ID, text);
        // Its link goes away beside the answer.
        again = await ask(ID, text).catch((error: unknown) => String(error));
        return 7;
      },
    );
    assert.deepEqual([result, reply], [7, 'config true\n']);
    assert.match(again, /^error cridock is not starting a+\n$|ENOENT/);
    assert.deepEqual(await links(), []);
    await assert.rejects(ask(ID, text), /ENOENT/);
  });

  it('are refused with the reason when there is no answer, and the start is not held up', async () => {
    const fails = questions.answering(
      ID,
      () => Promise.reject(new Error('no\nlayers')),
      async () => Promise.reject(new Error(await ask(ID, '{}'))),
    );
    await assert.rejects(fails, /^Error: error no layers\n$/);
    assert.deepEqual(await links(), []);
  });

  it('of another container, another version, or none at all are refused', async () => {
    await questions.answering(
      ID,
      () => Buffer.from('secret'),
      async () => {
        assert.match(
          await ask(ID, '{}', `cridock-companion 1 create ${OTHER} 2\n`),
          /^error cridock is not starting b+/,
        );
        assert.match(
          await ask(ID, '{}', `cridock-companion 2 create ${ID} 2\n`),
          /^error this is "cridock-companion 1"/,
        );
        assert.match(await ask(ID, '{}', `cridock-companion 1 create ../../x 2\n`), /^error/);
        assert.match(await ask(ID, '{}{}', `cridock-companion 1 create ${ID} 2\n`), /^error .*longer/);
        assert.match(await ask(ID, 'x'.repeat(1000), ''), /^error no question/);
        assert.equal(await ask(ID, '{}'), 'secret');
      },
    );
  });

  it('wait for nobody but root', async () => {
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    assert.equal(await mode(join(folder, 'companion')), '700');
    assert.equal(await mode(join(folder, 'rootfs')), '711');
  });

  it('find no socket in a folder that others can write to', async (t) => {
    const open = await mkdtemp(join(tmpdir(), 'questions-'));
    t.after(() => rm(open, { recursive: true }));
    await symlink('/tmp', join(open, 'companion'));
    await assert.rejects(new Questions('/y', log, open).open(), /is not a folder that only its owner/);
  });

  it('after a kill: links that are left lead nowhere, and go with the next start', async (t) => {
    const other = await mkdtemp(join(tmpdir(), 'questions-'));
    t.after(() => rm(other, { recursive: true }));
    const first = new Questions('/z', log, other);
    const held = first.answering(
      ID,
      () => Buffer.from(''),
      () => new Promise<void>(() => undefined),
    );
    void held;
    const path = join(other, 'companion', ID);
    await until('the link', () =>
      readlink(path).then(
        () => true,
        () => false,
      ),
    );
    await first.close();
    const second = new Questions('/z', log, other);
    await second.open();
    assert.equal((await readdir(join(other, 'companion'))).length, 1);
    await second.close();
  });

  it('no other file is touched for what is no id', async () => {
    await assert.rejects(
      questions.answering(
        '../x',
        () => Buffer.from(''),
        () => Promise.resolve(1),
      ),
      /is not an id/,
    );
  });
});
