import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { NamespaceMode } from '../../src/gen/runtime/v1/NamespaceMode.js';
import type { PodSandboxConfig } from '../../src/gen/runtime/v1/PodSandboxConfig.js';
import { connectCri, type CriClient } from '../../test/support/cri-client.js';

const PORT = 8080;
const CALL_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 20_000;
const POLL_INTERVAL_MS = 100;
/** busybox's httpd, as process 1, does not end on SIGTERM. */
const STOP_GRACE_SECONDS = '1';

export interface Demonstration {
  /** The CRI server's unix socket. */
  readonly socketPath: string;
  /** An image with a shell and busybox's httpd; pulled where the node does not have it. */
  readonly image: string;
  /** False where no process really runs: then nothing is asked of the pod, which uses the node's network. */
  readonly isReal: boolean;
  /** Ends the demonstration early; the pod is removed all the same. */
  readonly signal: AbortSignal;
}

/** Runs one pod through a CRI server as the kubelet would, prints what it shows, and takes the pod away again. */
export async function demonstrate(demonstration: Demonstration): Promise<void> {
  const client = connectCri(demonstration.socketPath);
  const logDirectory = await mkdtemp(join(tmpdir(), 'cridock-quickstart-'));
  try {
    await client.ready(ANSWER_TIMEOUT_MS);
    await showPod(client, demonstration, sandboxConfig(logDirectory, demonstration.isReal));
  } finally {
    client.close();
    await rm(logDirectory, { recursive: true, force: true });
  }
}

function sandboxConfig(logDirectory: string, hasNetwork: boolean): PodSandboxConfig {
  return {
    metadata: { name: 'hello', namespace: 'quickstart', uid: randomUUID(), attempt: 0 },
    hostname: hasNetwork ? 'hello' : '',
    log_directory: logDirectory,
    labels: { app: 'hello' },
    linux: {
      security_context: {
        namespace_options: {
          network: hasNetwork ? NamespaceMode.POD : NamespaceMode.NODE,
          pid: NamespaceMode.CONTAINER,
          ipc: NamespaceMode.POD,
        },
      },
    },
  };
}

function containerConfig(image: string): ContainerConfig {
  return {
    metadata: { name: 'web', attempt: 0 },
    image: { image, user_specified_image: image },
    command: ['sh', '-c'],
    args: [
      `mkdir -p /www && echo "Hello from pod $(hostname)" >/www/index.html && echo "serving on port ${PORT}" && ` +
        `exec httpd -f -v -p ${PORT} -h /www`,
    ],
    log_path: 'web/0.log',
    labels: { app: 'hello' },
    linux: {},
  };
}

async function showPod(
  client: CriClient,
  demonstration: Demonstration,
  config: PodSandboxConfig,
): Promise<void> {
  const { runtime } = client;
  const options = { timeoutMs: CALL_TIMEOUT_MS, signal: demonstration.signal };

  const version = await runtime.Version({ version: 'v1' }, options);
  say(
    `CRI ${version.runtime_api_version} is served${demonstration.isReal ? `, on Engine ${version.runtime_version}` : ''}`,
  );

  const { pod_sandbox_id: podId } = await runtime.RunPodSandbox({ config }, options);
  try {
    const { status: pod } = await runtime.PodSandboxStatus({ pod_sandbox_id: podId }, options);
    const address = pod?.network?.ip ?? '';
    say(`pod ${short(podId)} runs${address === '' ? '' : `, IP ${address}`}`);
    await showContainer(client, demonstration, config, podId, address);
  } finally {
    // Not cancelled by a signal: the pod goes in any case, with the containers that are still in it.
    const id = { pod_sandbox_id: podId };
    await runtime.StopPodSandbox(id, { timeoutMs: CALL_TIMEOUT_MS });
    await runtime.RemovePodSandbox(id, { timeoutMs: CALL_TIMEOUT_MS });
  }
  say(`pod ${short(podId)} stopped and removed`);
}

async function showContainer(
  client: CriClient,
  { image, isReal, signal }: Demonstration,
  sandbox: PodSandboxConfig,
  podId: string,
  podAddress: string,
): Promise<void> {
  const { runtime } = client;
  const options = { timeoutMs: CALL_TIMEOUT_MS, signal };
  const config = containerConfig(await presentImage(client, image, signal));
  const created = await runtime.CreateContainer(
    { pod_sandbox_id: podId, config, sandbox_config: sandbox },
    options,
  );
  const id = { container_id: created.container_id };
  await runtime.StartContainer(id, options);
  const { status } = await runtime.ContainerStatus(id, options);
  say(`container ${short(id.container_id)} is ${stateName(status?.state)}, image ${image}`);

  if (isReal) {
    const url = `http://${podAddress.includes(':') ? `[${podAddress}]` : podAddress}:${PORT}/`;
    say(`${url} says: ${await fetchPage(url, signal)}`);
    for (const line of await readLog(status?.log_path ?? '', signal)) say(`log: ${line}`);
  }

  await runtime.StopContainer({ ...id, timeout: STOP_GRACE_SECONDS }, options);
  await runtime.RemoveContainer(id, options);
  say(`container ${short(id.container_id)} stopped and removed`);
}

/** The id of the image, which is pulled first when the node does not have it. */
async function presentImage(client: CriClient, image: string, signal: AbortSignal): Promise<string> {
  const options = { timeoutMs: CALL_TIMEOUT_MS, signal };
  const { image: present } = await client.image.ImageStatus({ image: { image } }, options);
  if (present) return present.id;
  const { image_ref: pulled } = await client.image.PullImage({ image: { image } }, options);
  say(`image ${image} pulled`);
  return pulled;
}

/** The page's text, as soon as the server in the container listens. */
async function fetchPage(url: string, signal: AbortSignal): Promise<string> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.any([signal, timeout]) });
      return `${response.status} ${(await response.text()).trim()}`;
    } catch (error) {
      signal.throwIfAborted();
      if (timeout.aborted) throw new Error(`no answer from ${url}`, { cause: error });
      await sleep(POLL_INTERVAL_MS, undefined, { signal });
    }
  }
}

/** The log's lines, as soon as it tells of the page that was fetched. */
async function readLog(path: string, signal: AbortSignal): Promise<string[]> {
  const deadline = Date.now() + ANSWER_TIMEOUT_MS;
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.includes('response:200')) return text.trim().split('\n');
    if (Date.now() > deadline) throw new Error(`the container's log ${path} does not tell of the page`);
    await sleep(POLL_INTERVAL_MS, undefined, { signal });
  }
}

function stateName(state: ContainerState | undefined): string {
  return state === ContainerState.CONTAINER_RUNNING ? 'running' : `in state ${state ?? 'unknown'}`;
}

function short(id: string): string {
  return id.slice(0, 13);
}

function say(text: string): void {
  console.log(`      ${text}`);
}
