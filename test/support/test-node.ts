import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockerodeEngine } from '../../src/docker/dockerode-engine.js';
import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import type { ContainerStatus__Output } from '../../src/gen/runtime/v1/ContainerStatus.js';
import type { LinuxContainerConfig } from '../../src/gen/runtime/v1/LinuxContainerConfig.js';
import { NamespaceMode } from '../../src/gen/runtime/v1/NamespaceMode.js';
import type { PodSandboxConfig } from '../../src/gen/runtime/v1/PodSandboxConfig.js';
import { Code, nameOfCode } from '../../src/util/cri-error.js';
import { silentLogger } from '../../src/util/log.js';
import { allInTurn } from './all-in-turn.js';
import type { ServiceError } from './cri-client.js';
import { startCridock, testDockerEndpoint, type CridockProcess } from './cridock-process.js';
import { ensureTestImage } from './images.js';
import { RUN_ON, containerConfig, podConfig } from './pods.js';
import { statusOf } from './process-truth.js';
import { once, type Attempt } from './pod-worker.js';
import { until } from './until.js';

export interface TestPod {
  id: string;
  config: PodSandboxConfig;
  /** Host pid of its pause process. */
  pid: number;
}

export interface TestContainer {
  id: string;
  /** Host pid of its first process. */
  pid: number;
}

/** Why a test of a node without the companion runtime does not run. */
export const WITH_COMPANION = 'the Engine has the companion runtime: test/companion has the tests';

/** What tests add to a container: security context and resources beside the other members. */
export interface ContainerChanges extends Omit<ContainerConfig, 'linux'> {
  security?: LinuxContainerConfig['security_context'];
  resources?: LinuxContainerConfig['resources'];
  /** A shell command in the place of one that runs until it is stopped. */
  run?: string;
}

/** A cridock on the test's Engine, to make pods and containers with; `close` removes them all. */
export class TestNode {
  readonly cridock: CridockProcess;
  readonly engine: DockerodeEngine;
  readonly image: string;
  readonly #pods: string[] = [];

  constructor(cridock: CridockProcess, engine: DockerodeEngine, image: string) {
    this.cridock = cridock;
    this.engine = engine;
    this.image = image;
  }

  static async start(flags: string[] = [], env: Record<string, string> = {}): Promise<TestNode> {
    const image = await ensureTestImage(testDockerEndpoint.replace(/^unix:\/\//, ''));
    const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
    await engine.negotiate();
    return new TestNode(await startCridock({ flags, env }), engine, image);
  }

  /**
   * The reason why no container can have all capabilities here, or undefined: before API 1.42 the Engine asks for all that
   * the kernel knows, also where the machine itself lacks some.
   */
  get noAllCapabilities(): string | undefined {
    if (this.engine.supports('1.42')) return undefined;
    const known = (1n << (BigInt(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8')) + 1n)) - 1n;
    const own = BigInt(`0x${statusOf('self').get('CapBnd') ?? '0'}`);
    return own === known ? undefined : 'this machine lacks capabilities, which this Engine does not see';
  }

  /**
   * Why no container can have /proc/sys masked here, or undefined. runc 1.3 and newer ask /proc/sys for the last capability when
   * the container's own is masked already, whoever asks them: Docker itself and containerd get the same error.
   */
  async noMaskedProcSys(): Promise<string | undefined> {
    const id = await this.engine.createContainer(`masked-${randomUUID()}`, {
      Image: this.image,
      Cmd: ['true'],
      HostConfig: { NetworkMode: 'none', MaskedPaths: ['/proc/sys'] },
    });
    try {
      await this.engine.startContainer(id);
      return undefined;
    } catch (error) {
      if (String(error).includes('cap_last_cap'))
        return "this machine's runc cannot start with /proc/sys masked";
      throw error;
    } finally {
      await this.engine.removeContainer(id);
    }
  }

  /** Whether pods can have user namespaces here. */
  async hasCompanion(): Promise<boolean> {
    const { runtime_handlers: handlers } = await this.runtime.Status({});
    return handlers.some(({ features }) => features?.user_namespaces === true);
  }

  get runtime(): CridockProcess['client']['runtime'] {
    return this.cridock.client.runtime;
  }

  async pod(changes: PodSandboxConfig = {}, handler = ''): Promise<TestPod> {
    const config = podConfig(`p-${randomUUID().slice(0, 8)}`, this.cridock.directory, changes);
    const { pod_sandbox_id: id } = await this.runtime.RunPodSandbox({ config, runtime_handler: handler });
    this.#pods.push(id);
    return { id, config, pid: await this.#programPid(id) };
  }

  /** Creates a container; see `start`. */
  async create(pod: TestPod, changes: ContainerChanges = {}): Promise<string> {
    const { security, resources, run = RUN_ON, ...others } = changes;
    const namespaces = { network: NamespaceMode.POD, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD };
    const config = containerConfig(`c-${randomUUID().slice(0, 8)}`, this.image, run, {
      linux: {
        security_context: { namespace_options: namespaces, ...security },
        ...(resources && { resources }),
      },
      ...others,
    });
    const request = { pod_sandbox_id: pod.id, config, sandbox_config: pod.config };
    return (await this.runtime.CreateContainer(request)).container_id;
  }

  /** Creates and starts a container. */
  async start(pod: TestPod, changes: ContainerChanges = {}, attempt: Attempt = once): Promise<TestContainer> {
    const id = await this.create(pod, changes);
    await attempt(() => this.runtime.StartContainer({ container_id: id }));
    return { id, pid: await this.#programPid(id) };
  }

  /** Runs a shell command in a container that ends with it, and gives back what it printed. */
  async output(pod: TestPod, run: string, changes: ContainerChanges = {}): Promise<string> {
    const folder = await mkdtemp(join(this.cridock.directory, 'out-'));
    await chmod(folder, 0o777); // whatever the container's user is
    const mounts = [...(changes.mounts ?? []), { host_path: folder, container_path: '/out' }];
    const id = await this.create(pod, { ...changes, mounts, run: `{ ${run}; } >/out/text 2>&1` });
    await this.runtime.StartContainer({ container_id: id });
    await this.ended(id);
    return readFile(join(folder, 'text'), 'utf8');
  }

  /** Waits until a container that fills so much memory has nearly all of it. */
  async holdsMemory(id: string, bytes: number): Promise<void> {
    await until('it to hold its memory', async () => {
      const { stats } = await this.runtime.ContainerStats({ container_id: id });
      return Number(stats?.memory?.working_set_bytes?.value ?? 0) > bytes * 0.9;
    });
  }

  async ended(id: string): Promise<ContainerStatus__Output> {
    for (;;) {
      const status = await this.status(id);
      if (status.state === ContainerState.CONTAINER_EXITED) return status;
      await delay(20);
    }
  }

  async status(id: string): Promise<ContainerStatus__Output> {
    const { status } = await this.runtime.ContainerStatus({ container_id: id });
    if (!status) throw new Error(`no status for ${id}`);
    return status;
  }

  /** Removes what can be removed; then rejects with why the rest cannot. */
  async close(): Promise<void> {
    await allInTurn(
      ...this.#pods.map((id) => () => this.runtime.RemovePodSandbox({ pod_sandbox_id: id })),
      () => this.engine.close(),
      () => this.cridock.stop(),
    );
  }

  /** The pid of a container once it is its program's. */
  async #programPid(id: string): Promise<number> {
    const { Pid: pid } = (await this.engine.inspectContainer(id)).State;
    await until('its program', () => !isRuntime(pid));
    return pid;
  }
}

/** A container counts as started a moment before the OCI runtime gives way to its program. */
function isRuntime(pid: number): boolean {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    // Empty while one program takes the place of the other, and after the end.
    if (commandLine === '') return statusOf(pid).get('State')?.startsWith('Z') !== true;
    return commandLine.startsWith('runc\0init\0');
  } catch {
    return false; // it has ended already
  }
}

/** The outcome of a call that is to be refused: the name of its code and its text. */
export async function refusal(call: Promise<unknown>): Promise<{ code: string; text: string }> {
  try {
    await call;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { code: nameOfCode(code as Code), text: details };
  }
  throw new Error('it was not refused');
}
