import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { PortMapping } from '../../../src/convert/sandbox/port-mappings.js';
import { checkpointChecksum } from '../../../src/state/checkpoint-checksum.js';
import { checkpointOf, formatCheckpoint, parseCheckpoint } from '../../../src/state/checkpoint-format.js';
import { CheckpointStore } from '../../../src/state/checkpoint.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { silentLogger, type LogFields, type Logger } from '../../../src/util/log.js';
import { sandboxConfig } from '../convert/decoded.js';

const ID = 'ebb71ad1368bca6abbbfe6b087259ecd63a4abf75a0fa1798f49c8bb95163e5e';
const web: PortMapping = { protocol: 'tcp', containerPort: 80, hostPort: 8080, hostIp: '' };
const dns: PortMapping = { protocol: 'udp', containerPort: 53, hostPort: 5353, hostIp: '' };
const sctp: PortMapping = { protocol: 'sctp', containerPort: 99, hostPort: 0, hostIp: '' };
const etcd: PortMapping = { protocol: 'tcp', containerPort: 2379, hostPort: 2379, hostIp: '' };

describe('checkpointChecksum', () => {
  // From files that cri-dockerd wrote.
  const vectors: [what: string, portMappings: PortMapping[], hostNetwork: boolean, checksum: number][] = [
    ['nothing', [], false, 2305795928],
    ['host network', [], true, 12315789],
    ['a host port', [web], false, 3712672205],
    ['no host port', [{ ...web, hostPort: 0 }], false, 73209639],
    ['an address and all protocols', [{ ...web, hostIp: '127.0.0.1' }, dns, sctp], false, 3339444543],
    ['a host port and host network', [etcd], true, 2022074306],
  ];
  for (const [what, portMappings, hostNetwork, checksum] of vectors) {
    it(`is cri-dockerd's for ${what}`, () => {
      assert.equal(checkpointChecksum({ portMappings, hostNetwork }), checksum);
    });
  }
});

describe('checkpoint format', () => {
  it("is cri-dockerd's, byte by byte", () => {
    const plain = { name: 'p1', namespace: 'ns1', portMappings: [], hostNetwork: false };
    assert.equal(
      formatCheckpoint(plain),
      '{"version":"v1","name":"p1","namespace":"ns1","data":{},"checksum":2305795928}',
    );
    assert.equal(
      formatCheckpoint({ ...plain, portMappings: [{ ...web, hostIp: '127.0.0.1' }, dns, sctp] }),
      '{"version":"v1","name":"p1","namespace":"ns1","data":{"port_mappings":[' +
        '{"protocol":"tcp","container_port":80,"host_port":8080,"host_ip":"127.0.0.1"},' +
        '{"protocol":"udp","container_port":53,"host_port":5353},' +
        '{"protocol":"sctp","container_port":99,"host_port":0}]},"checksum":3339444543}',
    );
    assert.match(formatCheckpoint({ ...plain, hostNetwork: true }), /"data":\{"host_network":true\}/);
  });

  it('is read back', () => {
    const checkpoint = { name: 'p', namespace: 'n', portMappings: [etcd], hostNetwork: true };
    assert.deepEqual(parseCheckpoint(formatCheckpoint(checkpoint)), checkpoint);
  });

  it('is made from the config of a sandbox', () => {
    const config = sandboxConfig({
      port_mappings: [{ container_port: 80, host_port: 8080 }],
      linux: { security_context: { namespace_options: { network: 'NODE' } } },
    });
    const expected = { name: 'p1', namespace: 'ns1', portMappings: [web], hostNetwork: true };
    assert.deepEqual(checkpointOf(config), expected);
  });
});

describe('CheckpointStore', () => {
  let parent: string;
  let dir: string;
  let errors: LogFields[];
  let store: CheckpointStore;
  const checkpoint = { name: 'p', namespace: 'n', portMappings: [web], hostNetwork: false };

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'checkpoint-'));
  });
  after(() => rm(parent, { recursive: true }));
  beforeEach(async () => {
    errors = [];
    const log: Logger = { ...silentLogger, error: (_message, fields = {}) => errors.push(fields) };
    dir = join(await mkdtemp(join(parent, 'root-')), 'sandbox');
    store = new CheckpointStore({ dir, log });
    await store.prepare();
  });

  it('writes, reads, lists and removes', async () => {
    assert.equal(await store.read(ID), undefined);
    await store.write(ID, checkpoint);
    await store.write(ID, { ...checkpoint, name: 'other' });
    assert.equal((await store.read(ID))?.name, 'other');
    assert.deepEqual(await store.list(), [ID]);
    assert.deepEqual(await readdir(dir), [ID]);
    assert.equal((await stat(join(dir, ID))).mode & 0o777, 0o600);
    await store.remove(ID);
    await store.remove(ID);
    assert.deepEqual(await store.list(), []);
    assert.equal(await store.read(ID), undefined);
  });

  const corrupt: [what: string, text: string][] = [
    ['an empty file', ''],
    ['no JSON', '{"version":'],
    ['null', 'null'],
    ['a wrong checksum', formatCheckpoint(checkpoint).replace('8080', '8081')],
    ['another version', formatCheckpoint(checkpoint).replace('v1', 'v2')],
    ['a wrong type', formatCheckpoint(checkpoint).replace('"tcp"', '7')],
  ];
  for (const [what, text] of corrupt) {
    it(`reports ${what} with its path and sets it aside`, async () => {
      await writeFile(join(dir, ID), text);
      assert.equal(await store.read(ID), undefined);
      assert.equal(errors[0]?.['path'], join(dir, ID));
      const [name = ''] = await readdir(dir);
      assert.match(name, new RegExp(`^\\.corrupt-${ID}`));
      assert.equal(await readFile(join(dir, name), 'utf8'), text);
      assert.deepEqual(await store.list(), []);
      await store.prepare();
      assert.deepEqual(await readdir(dir), [name]);
    });
  }

  it('reads what cri-dockerd wrote', async () => {
    const text =
      '{"version":"v1","name":"p1","namespace":"ns1","data":{"port_mappings":[{"protocol":"tcp",' +
      '"container_port":80,"host_port":8080}]},"checksum":3712672205}';
    await writeFile(join(dir, ID), text);
    const expected = { name: 'p1', namespace: 'ns1', portMappings: [web], hostNetwork: false };
    assert.deepEqual(await store.read(ID), expected);
    assert.deepEqual(errors, []);
  });

  it('clears what a crash left unfinished, and lists no foreign files', async () => {
    await writeFile(join(dir, `.unfinished-${ID}`), '{');
    await writeFile(join(dir, '.other'), '');
    await mkdir(join(dir, 'folder'));
    await store.prepare();
    assert.deepEqual((await readdir(dir)).sort(), ['.other', 'folder']);
    assert.deepEqual(await store.list(), []);
  });

  it('refuses ids that would leave the folder', async () => {
    for (const id of ['', '..', '../x', 'a/b', '.hidden', 'a\0', 'a'.repeat(251)]) {
      await assert.rejects(
        store.read(id),
        (error) => error instanceof CriError && error.code === Code.INVALID_ARGUMENT,
      );
    }
  });

  it('tells the path of what cannot be read or written', async () => {
    await mkdir(join(dir, ID));
    await assert.rejects(store.read(ID), (error) => {
      return (
        error instanceof CriError && error.code === Code.INTERNAL && error.message.includes(join(dir, ID))
      );
    });
    await rm(dir, { recursive: true });
    await assert.rejects(store.write(ID, checkpoint), /cannot write checkpoint/);
  });
});
