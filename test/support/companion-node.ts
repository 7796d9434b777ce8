import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
import type { Mount } from '../../src/gen/runtime/v1/Mount.js';
import { NamespaceMode } from '../../src/gen/runtime/v1/NamespaceMode.js';
import type { NamespaceOption } from '../../src/gen/runtime/v1/NamespaceOption.js';
import { testDockerEndpoint } from './cridock-process.js';
import { TestNode, type ContainerChanges, type TestContainer, type TestPod } from './test-node.js';

/** The host's ids of user 0 and group 0 in pods. */
export const POD_UID = 200_000;
export const POD_GID = 300_000;
const IDS = 65_536;

const uids = [{ host_id: POD_UID, container_id: 0, length: IDS }];
const gids = [{ host_id: POD_GID, container_id: 0, length: IDS }];
export const MAPPINGS = { uidMappings: uids, gidMappings: gids };

/** Why the tests of the companion do not run. */
export const noCompanion =
  process.env['CRIDOCK_TEST_COMPANION_ENGINE'] === undefined && 'test/companion/run.sh runs it';

/** A pod's namespaces, its user namespace among them. */
export function inUserNamespace(options: NamespaceOption = {}): NamespaceOption {
  return {
    network: NamespaceMode.POD,
    pid: NamespaceMode.CONTAINER,
    ipc: NamespaceMode.POD,
    userns_options: { mode: NamespaceMode.POD, uids, gids },
    ...options,
  };
}

/** A node whose Engine has the companion. */
export class CompanionNode {
  readonly node: TestNode;

  private constructor(node: TestNode) {
    this.node = node;
  }

  static async start(): Promise<CompanionNode> {
    return new CompanionNode(await TestNode.start());
  }

  pod(security: object = {}): Promise<TestPod> {
    return this.node.pod({
      linux: { security_context: { namespace_options: inUserNamespace(), ...security } },
    });
  }

  /** As TestNode's, in a pod with a user namespace. */
  create(pod: TestPod, changes: ContainerChanges = {}): Promise<string> {
    return this.node.create(pod, inPod(changes));
  }

  start(pod: TestPod, changes: ContainerChanges = {}): Promise<TestContainer> {
    return this.node.start(pod, inPod(changes));
  }

  output(pod: TestPod, run: string, changes: ContainerChanges = {}): Promise<string> {
    return this.node.output(pod, run, inPod(changes));
  }

  /** A mount with the pod's owners. */
  volume(host_path: string, container_path: string, more: Mount = {}): Mount {
    return { host_path, container_path, ...MAPPINGS, ...more };
  }

  async docker(...words: string[]): Promise<string> {
    const docker = process.env['DOCKER'] ?? 'docker';
    const { stdout } = await promisify(execFile)(docker, ['-H', testDockerEndpoint, ...words], {
      env: { ...process.env, DOCKER_CONFIG: '/nonexistent' },
    });
    return stdout.trim();
  }
}

function inPod(changes: ContainerChanges): ContainerChanges & ContainerConfig {
  return { ...changes, security: { namespace_options: inUserNamespace(), ...changes.security } };
}

/** Lines of this namespace's mounts, without their numbers. */
export function nodeMounts(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => line.split(' ').slice(2).join(' '));
}
