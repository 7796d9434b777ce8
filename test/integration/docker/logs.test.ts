import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import type { LogMessage } from '../../../src/docker/engine.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { noEngine, testDockerEndpoint } from '../../support/cridock-process.js';

const LONG = 40_000;
const SCRIPT = `echo out; echo err >&2; head -c ${LONG} /dev/zero | tr '\\0' x; echo; printf '\\377\\001'`;

describe('logs of a real Engine', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  const ids: string[] = [];

  before(() => engine.negotiate());
  after(async () => {
    for (const id of ids) await engine.removeContainer(id);
    engine.close();
  });

  /** What a container with this log driver writes, as `stream: text`. */
  const logOf = async (
    driver: string,
    tty: boolean,
  ): Promise<{ messages: LogMessage[]; texts: string[] }> => {
    const id = await engine.createContainer(`cridock-logs-${process.pid}-${ids.length}`, {
      Image: 'busybox:latest',
      Cmd: ['sh', '-c', SCRIPT],
      Tty: tty,
      HostConfig: { NetworkMode: 'none', LogConfig: { Type: driver, Config: {} } },
    });
    ids.push(id);
    await engine.startContainer(id);
    await engine.readLogs(id, { tty, follow: true, onMessages: () => undefined }); // until its end
    const messages: LogMessage[] = [];
    const collect = (more: readonly LogMessage[]): undefined =>
      void messages.push(...more.map(({ stream, bytes }) => ({ stream, bytes: Buffer.from(bytes) })));
    await engine.readLogs(id, { tty, follow: false, onMessages: collect });
    return {
      messages,
      texts: messages.map(({ stream, bytes }) => `${stream}: ${bytes.toString('latin1', 31)}`),
    };
  };

  it('come as messages, long lines in parts of 16 KiB with one time', async () => {
    const { messages, texts } = await logOf('json-file', false);
    assert.deepEqual(
      texts.filter((text) => text.startsWith('stderr')),
      ['stderr: err\n'],
    );
    const out = texts.filter((text) => text.startsWith('stdout'));
    assert.deepEqual(
      out.slice(0, 4).map((text) => [text.length - 8, text.at(-1)]),
      [
        [4, '\n'],
        [16_384, 'x'],
        [16_384, 'x'],
        [LONG - 2 * 16_384 + 1, '\n'],
      ],
    );
    const times = messages
      .filter(({ bytes }) => bytes[31] === 0x78)
      .map(({ bytes }) => bytes.toString('latin1', 0, 30));
    assert.equal(new Set(times).size, 1);
  });

  it('come from a terminal as one stream', async () => {
    const { texts } = await logOf('json-file', true);
    assert.deepEqual(texts.slice(0, 2).toSorted(), ['stdout: err\r\n', 'stdout: out\r\n']);
    assert.deepEqual(
      texts.slice(2, 5).map(({ length }) => length - 8),
      [16_384, 16_384, LONG - 2 * 16_384 + 2],
    );
  });

  it('keep bytes as they are with the driver local', async (t) => {
    if (!engine.supports('1.42')) {
      t.skip('not used before API 1.42');
      return;
    }
    const { texts } = await logOf('local', false);
    assert.equal(texts.at(-1), 'stdout: \xff\x01');
  });

  it('are UNIMPLEMENTED with a driver that cannot be read', async () => {
    await assert.rejects(logOf('none', false), (error) => hasCode(error, Code.UNIMPLEMENTED));
  });
});
