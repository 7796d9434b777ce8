import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { noEngine } from '../../support/cridock-process.js';
import { TestNode, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

/** Where programs of containerd/nri's `plugins/` are: `logger`, `device-injector`, `ulimit-adjuster`, built by Go. */
const folder = process.env['CRIDOCK_NRI_PLUGINS'] ?? '';
const skip = noEngine || (folder === '' && 'CRIDOCK_NRI_PLUGINS names no folder with built plugins');

const CONTAINER = 'adjusted';
const ANNOTATIONS = {
  [`devices.noderesource.dev/container.${CONTAINER}`]:
    '- path: /dev/injected\n  type: c\n  major: 1\n  minor: 3\n  file_mode: 438\n',
  [`ulimits.noderesource.dev/container.${CONTAINER}`]:
    '- type: nofile\n  hard: 4321\n  soft: 1234\n- type: fsize\n  hard: 18446744073709551615\n  soft: 65536000\n',
};

describe('plugins by others', { skip }, () => {
  let node: TestNode;
  let pod: TestPod;
  before(async () => {
    node = await TestNode.start();
    pod = await node.pod({ annotations: ANNOTATIONS });
  });
  after(() => node.close());

  /** Starts a container, and holds what it has against what the plugins were asked for. */
  async function hold(): Promise<void> {
    const { pid, id } = await node.start(pod, { metadata: { name: CONTAINER, attempt: 0 } });
    assert.ok(existsSync(`/proc/${pid}/root/dev/injected`));
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max open files\s+1234\s+4321/);
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max file size\s+65536000\s+unlimited/);
    await node.runtime.RemoveContainer({ container_id: id });
  }

  it('connected', async () => {
    const socket = join(node.cridock.directory, 'nri.sock');
    const log = join(node.cridock.directory, 'logger.log');
    const started: ChildProcess[] = [
      spawn(join(folder, 'logger'), ['-idx', '00', '-socket-path', socket, '-log-file', log], {
        stdio: 'ignore',
      }),
      spawn(join(folder, 'device-injector'), ['-idx', '10', '-socket-path', socket], { stdio: 'ignore' }),
      spawn(join(folder, 'ulimit-adjuster'), ['-idx', '20', '-name', 'ulimits', '-socket', socket], {
        stdio: 'ignore',
      }),
    ];
    try {
      await until('all have registered', () => registered(node.cridock.log()) === 3, 20_000);
      await hold();
      const told = readFileSync(log, 'utf8');
      for (const event of ['CreateContainer', 'StartContainer', 'StopContainer', 'RemoveContainer']) {
        assert.ok(told.includes(event), event);
      }
    } finally {
      for (const child of started) child.kill();
    }
    await until('all are gone', () => (node.cridock.log().match(/an NRI plugin is gone/g) ?? []).length >= 3);
  });

  it('started', async () => {
    const plugins = join(node.cridock.directory, 'nri-plugins');
    const configs = join(node.cridock.directory, 'nri-conf.d');
    for (const path of [plugins, configs]) mkdirSync(path, { recursive: true });
    for (const name of ['00-logger', '10-device-injector', '20-ulimit-adjuster']) {
      copyFileSync(join(folder, name.slice(3)), join(plugins, name));
    }
    const log = join(node.cridock.directory, 'started.log');
    writeFileSync(join(configs, '00-logger.conf'), `logFile: ${log}\nevents:\n- all\n`);
    const before = registered(node.cridock.log());
    await node.cridock.restart();
    await until('all have registered', () => registered(node.cridock.log()) === before + 3, 20_000);
    await hold();
    assert.ok(readFileSync(log, 'utf8').includes('CreateContainer'));
  });
});

function registered(log: string): number {
  return (log.match(/an NRI plugin has registered/g) ?? []).length;
}
