import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sandboxFacts, sandboxOwnFacts } from '../../../../src/convert/sandbox/sandbox-facts.js';
import type { HostConfig } from '../../../../src/docker/types.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import { sandboxConfig } from '../decoded.js';

const { POD, CONTAINER, NODE } = NamespaceMode;

describe('sandbox facts', () => {
  it('are read back from labels and Docker together', () => {
    const config = sandboxConfig({
      log_directory: '/var/log/pods/a',
      linux: {
        security_context: { privileged: true, namespace_options: { network: NODE, pid: POD, ipc: NODE } },
      },
    });
    assert.deepEqual(read(sandboxOwnFacts(config, 'crun'), { NetworkMode: 'host', IpcMode: 'host' }), {
      runtimeHandler: 'crun',
      logDirectory: '/var/log/pods/a',
      privileged: true,
      network: NODE,
      pid: POD,
      ipc: NODE,
    });
  });

  it('take what is left out for its zero value', () => {
    const { pid, privileged, runtimeHandler } = read(sandboxOwnFacts(sandboxConfig(), ''), {
      NetworkMode: 'none',
    });
    assert.deepEqual([pid, privileged, runtimeHandler], [POD, false, '']);
  });

  it("of cri-dockerd's sandboxes come from Docker alone", () => {
    assert.deepEqual(read({}, { NetworkMode: 'none', IpcMode: 'shareable', PidMode: '', Privileged: true }), {
      runtimeHandler: '',
      logDirectory: '',
      privileged: true,
      network: POD,
      pid: CONTAINER,
      ipc: POD,
    });
    assert.equal(read({}, { PidMode: 'host' }).pid, NODE);
  });
});

function read(own: Record<string, string>, hostConfig: HostConfig) {
  return sandboxFacts({ labels: {}, annotations: {}, own }, hostConfig);
}
