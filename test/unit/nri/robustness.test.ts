import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { describePlugins, pluginsReady } from '../../../src/cri/runtime/plugins.js';
import { Nri } from '../../../src/nri/nri.js';
import { MAX_MESSAGE_BYTES } from '../../../src/nri/wire/ttrpc-frames.js';
import { Code } from '../../../src/util/cri-error.js';
import { silentLogger } from '../../../src/util/log.js';
import { nriOptions, unchangingHost } from '../../support/nri-runtime.js';
import { protocol, TestPlugin, type TestPluginOptions } from '../../support/nri-plugin.js';
import { until } from '../../support/until.js';

const NEVER = new Promise<object>(() => undefined);
const PATIENCE_MS = 60_000;

describe('NRI holds against plugins that do what they should not', () => {
  let folder: string;
  let nri: Nri;
  let warnings: string[];
  const make = (registrationTimeoutMs = PATIENCE_MS): Nri => {
    const options = {
      ...nriOptions(PATIENCE_MS),
      folders: { plugins: join(folder, 'plugins'), configs: join(folder, 'conf.d') },
      registrationTimeoutMs,
      log: { ...silentLogger, warn: (text: string) => void warnings.push(text) },
    };
    return new Nri(options, () => unchangingHost({ pods: [], containers: [] }));
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cridock-nri-'));
    warnings = [];
    nri = make();
  });
  afterEach(async () => {
    await nri.stop();
    rmSync(folder, { recursive: true });
  });

  function connected(options: TestPluginOptions): TestPlugin {
    const [near, far] = duplexPair();
    void nri.connect(near);
    return new TestPlugin(far, options);
  }

  async function registered(options: TestPluginOptions): Promise<TestPlugin> {
    const count = nri.plugins.all.length;
    const plugin = connected(options);
    await plugin.register();
    await until('it is told of events', () => nri.plugins.all.length === count + 1);
    return plugin;
  }

  const tell = (): Promise<void> => nri.plugins.tell('RunPodSandbox', () => ({ pod: { id: 'p' } }));
  const program = (name: string, script: string): void => {
    mkdirSync(join(folder, 'plugins'), { recursive: true });
    writeFileSync(join(folder, 'plugins', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };

  it('a frame that is too long costs the plugin that sends it', async () => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(1, 0);
    header.writeUInt32BE(MAX_MESSAGE_BYTES + 1, 4);
    const large: TestPlugin = await registered({
      index: '01',
      replies: {
        RunPodSandbox: () => {
          large.writeRaw(header);
          return NEVER;
        },
      },
    });
    const other = await registered({ index: '02' });
    await tell();
    assert.ok(other.calls.includes('RunPodSandbox'));
    await until('it is gone', () => nri.plugins.all.length === 1);
    assert.deepEqual(
      nri.plugins.lost.map(({ name, hasFailed }) => [name, hasFailed]),
      [['01-test', true]],
    );
    assert.match(nri.plugins.lost[0]?.reason ?? '', /broke the protocol: a frame of/);
  });

  it('two of one name are both served; who sets the same as the other is named', async () => {
    const reply = { adjust: { env: [{ key: 'A', value: '1' }] } };
    const options = { index: '10', base: 'same', replies: { CreateContainer: () => reply } };
    await registered(options);
    const second = await registered(options);
    assert.deepEqual(warnings, ['two NRI plugins go by one name: both are told of events']);
    const names: string[] = [];
    await nri.plugins.tell(
      'CreateContainer',
      () => ({}),
      ({ name }) => names.push(name),
    );
    assert.deepEqual(names, ['10-same', '10-same']);
    second.close();
    await until('it is gone', () => nri.plugins.all.length === 1);
    assert.equal(pluginsReady({ nri })[0]?.status, true);
  });

  it('what waits for a plugin fails when cridock stops, and nothing goes on without one', async () => {
    const plugin = await registered({ replies: { RunPodSandbox: () => NEVER } });
    const telling = tell();
    await until('it is asked', () => plugin.calls.includes('RunPodSandbox'));
    const outcome = assert.rejects(telling, { code: Code.UNAVAILABLE });
    await nri.stop();
    await outcome;
    assert.throws(() => nri.plugins.gate.enter(), { code: Code.UNAVAILABLE });
  });

  it('without plugins work goes on to its end while cridock stops', async () => {
    await nri.stop();
    assert.equal(nri.plugins.gate.enter(), undefined);
    nri.plugins.gate.leave();
  });

  it('one that could not register is named, with the reason', async () => {
    const refused = connected({ index: 'x', base: 'odd/../name' });
    await assert.rejects(refused.register(), /not two digits/);
    refused.close();
    await until('it is gone', () => nri.plugins.lost.length === 1);
    const [condition] = pluginsReady({ nri });
    assert.equal(condition?.status, false);
    assert.match(
      condition.message ?? '',
      /^NRI plugin x-odd\?..\?name: it could not register: the index "x" is not two digits$/,
    );
    assert.equal((describePlugins({ nri })['lost'] as unknown[]).length, 1);
    await registered({ index: '10', base: 'good' });
    assert.match(pluginsReady({ nri })[0]?.message ?? '', /could not register/);
  });

  it('who only looks whether somebody listens is no plugin', async () => {
    const looking = connected({});
    looking.close();
    await until('it is heard of', () => warnings.length === 1);
    assert.deepEqual(nri.plugins.lost, []);
    assert.deepEqual(pluginsReady({ nri }), []);
  });

  it('one of the folder that cannot register is named', async () => {
    nri = make(500);
    program('30-silent', 'exec sleep 600 <&3');
    nri.startPrograms();
    await nri.plugins.gate.enter();
    nri.plugins.gate.leave();
    assert.match(pluginsReady({ nri })[0]?.message ?? '', /30-silent: it could not register: .* in time/);
  });

  it('those of the folder are asked to end when cridock does', async () => {
    const [started, asked] = [join(folder, 'started'), join(folder, 'asked')];
    program('30-tidy', `trap 'touch ${asked}; exit 0' TERM\ntouch ${started}\nwhile :; do sleep 0.05; done`);
    nri.startPrograms();
    await until('it runs', () => existsSync(started));
    await nri.stop(PATIENCE_MS);
    assert.ok(existsSync(asked));
  });

  it('nothing of what plugins ask for is too much for the answer', async () => {
    const plugin = await registered({});
    const update = Array.from({ length: 50_000 }, (_, index) => ({ container_id: `c${index}` }));
    const reply = await plugin.call('UpdateContainers', 'UpdateContainersRequest', { update });
    assert.deepEqual(Buffer.from(reply), protocol.encode('UpdateContainersResponse', {}));
  });
});
