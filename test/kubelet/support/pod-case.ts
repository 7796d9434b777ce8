import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError, api, apiText, containerOf, isReady } from './api.js';
import type { ContainerStatus, KubeEvent, KubeObject, Pod } from './api.js';
import { docker, isWhole, kubectl, noCluster, patience } from './cluster.js';
import type { CommandOptions, Output } from './cluster.js';

/** A container as a test writes it: `run` is a shell command; any field of the API may stand beside it. */
export interface ContainerSpec {
  readonly name?: string;
  readonly run?: string;
  readonly [field: string]: unknown;
}

/** A pod as a test writes it. Without containers it gets one, `main`, of what `run` says. */
export interface PodSpec {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly run?: string;
  readonly containers?: readonly ContainerSpec[];
  readonly initContainers?: readonly ContainerSpec[];
  readonly [field: string]: unknown;
}

export const IMAGE = 'busybox:latest';
/** Runs until it is told to end, and then ends at once. */
export const RUN_ON = "trap 'exit 0' TERM INT; while :; do sleep 1000 & wait $!; done";
const PATIENCE_MS = 150_000 * patience;
/** A slow node must not be kept busy by questions. */
const ASK_EVERY_MS = 200 * patience;

function container({ name = 'main', run, ...others }: ContainerSpec): object {
  const command = run === undefined ? {} : { command: ['sh', '-c', run] };
  return { name, image: IMAGE, imagePullPolicy: 'IfNotPresent', ...command, ...others };
}

/** The spec of a pod in the API's form. */
export function podSpec({ run = RUN_ON, containers, initContainers, ...others }: PodSpec): object {
  return {
    terminationGracePeriodSeconds: 5,
    enableServiceLinks: false,
    containers: (containers ?? [{ run }]).map(container),
    ...(initContainers && { initContainers: initContainers.map(container) }),
    ...others,
  };
}

/** A log that is followed to its end. */
interface Followed {
  readonly output: Promise<Output>;
  readonly end: Promise<string>;
}

/** What one case works with: a namespace shared with the cases of its file, and pods that end with the case. */
export class PodCase {
  readonly namespace: string;
  readonly #made: string[] = [];

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  get #core(): string {
    return `/api/v1/namespaces/${this.namespace}`;
  }

  /** A name that no other case has. */
  name(prefix = 'p'): string {
    return `${prefix}-${randomBytes(4).toString('hex')}`;
  }

  /** Creates a pod and answers it as it was accepted. */
  async pod({ name = this.name(), labels = {}, annotations = {}, ...spec }: PodSpec = {}): Promise<Pod> {
    const metadata = { name, labels, annotations };
    return this.create<Pod>(`${this.#core}/pods`, { metadata, spec: podSpec(spec) });
  }

  /** Creates an object that is deleted when the case ends. */
  async create<T extends KubeObject | Pod>(collection: string, body: object): Promise<T> {
    const made = await api<T>('POST', collection, body);
    this.#made.push(`${collection}/${made.metadata.name}`);
    return made;
  }

  /** A ConfigMap or a Secret of text. */
  async config(kind: 'configmaps' | 'secrets', data: Record<string, string>): Promise<string> {
    const texts = kind === 'secrets' ? { stringData: data } : { data };
    return (
      await this.create<KubeObject>(`${this.#core}/${kind}`, { metadata: { name: this.name('c') }, ...texts })
    ).metadata.name;
  }

  async get(pod: Pod): Promise<Pod> {
    return api<Pod>('GET', this.path(pod));
  }

  path(pod: Pod): string {
    return `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
  }

  /** Waits until this holds of the pod, and answers it as it is then. */
  async until(pod: Pod, what: string, holds: (pod: Pod) => boolean, timeoutMs = PATIENCE_MS): Promise<Pod> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const now = await this.get(pod);
      if (holds(now)) return now;
      if (performance.now() > endMs) {
        const events = (await this.events(pod)).map(({ reason, message }) => `${reason}: ${message}`);
        throw new Error(
          `waited in vain for ${what}: ${JSON.stringify(now.status, null, 1)}\n${events.join('\n')}`,
        );
      }
      await delay(ASK_EVERY_MS);
    }
  }

  /** Creates a pod and waits until it is ready. */
  async ready(spec: PodSpec = {}): Promise<Pod> {
    const pod = await this.pod(spec);
    return this.until(pod, 'a ready pod', isReady);
  }

  /** Waits until the pod has come to its end. */
  async ended(pod: Pod): Promise<Pod> {
    return this.until(pod, 'the end of the pod', ({ status }) =>
      ['Succeeded', 'Failed'].includes(status.phase),
    );
  }

  /** Runs a pod to its end and answers what its container `main` has printed. It must have succeeded. */
  async output(run: string, spec: PodSpec = {}): Promise<string> {
    const { containers = [{}], ...others } = spec;
    const pod = await this.ended(
      await this.pod({
        restartPolicy: 'Never',
        containers: containers.map((one, n) => (n === 0 ? { run, ...one } : one)),
        ...others,
      }),
    );
    const logs = await this.logs(pod, 'container=main');
    if (pod.status.phase !== 'Succeeded') throw new Error(`${run}: ${JSON.stringify(pod.status)}: ${logs}`);
    return logs.trim();
  }

  /** Waits until a container of the pod (`main`) is so. */
  async container(
    pod: Pod,
    what: string,
    holds: (status: ContainerStatus) => boolean,
    name = 'main',
  ): Promise<ContainerStatus> {
    const is = (now: Pod): boolean => {
      const status = containerOf(now, name);
      return status !== undefined && holds(status);
    };
    const status = containerOf(await this.until(pod, what, is), name);
    if (!status) throw new Error(`${name} has gone`);
    return status;
  }

  /** The log by the API: `query` as in "container=main&previous=true". */
  async logs(pod: Pod, query = ''): Promise<string> {
    return apiText('GET', `${this.path(pod)}/log?${query}`);
  }

  /** Follows the log of a container that writes at once, and answers when it comes; `end` waits for all of it, `output` for kubectl's end. */
  async follow(pod: Pod, name = 'main', options: CommandOptions = {}): Promise<Followed> {
    let output: Promise<Output> | undefined;
    await new Promise<void>((resolve, reject) => {
      output = this.kubectl(['logs', '-f', pod.metadata.name, '-c', name], {
        ...options,
        onOutput: resolve,
      });
      output.then(({ stderr }) => reject(new Error(`no log comes: ${stderr}`)), reject);
    });
    if (!output) throw new Error('nothing is followed');
    return { output, end: output.then(({ stdout }) => stdout) };
  }

  /** Waits until the log holds this. */
  async untilLogs(pod: Pod, text: string, query = ''): Promise<string> {
    return waitFor(`"${text}" in the log`, async () => {
      const logs = await this.logs(pod, query).catch((error: unknown) => {
        if (error instanceof ApiError) return '';
        throw error;
      });
      return logs.includes(text) ? logs : undefined;
    });
  }

  async events(pod: Pod): Promise<readonly KubeEvent[]> {
    const selector = encodeURIComponent(`involvedObject.uid=${pod.metadata.uid}`);
    const list = await api<{ items: KubeEvent[] }>('GET', `${this.#core}/events?fieldSelector=${selector}`);
    return list.items;
  }

  /** Waits for an event of the pod and answers its message. */
  async event(pod: Pod, reason: string, part = ''): Promise<string> {
    return waitFor(
      `an event ${reason} ${part}`,
      async () =>
        (await this.events(pod)).find((event) => event.reason === reason && event.message.includes(part))
          ?.message,
    );
  }

  /** Deletes a pod; `gone` waits. */
  async delete(pod: Pod, graceSeconds?: number): Promise<void> {
    const query = graceSeconds === undefined ? '' : `?gracePeriodSeconds=${graceSeconds}`;
    await api('DELETE', this.path(pod) + query);
  }

  async gone(pod: Pod): Promise<void> {
    await waitFor(`the end of ${pod.metadata.name}`, async () => {
      try {
        return (await this.get(pod)).metadata.uid === pod.metadata.uid ? undefined : true;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return true;
        throw error;
      }
    });
  }

  /** kubectl in the case's namespace. */
  async kubectl(args: readonly string[], options?: CommandOptions): Promise<Output> {
    return kubectl(['--namespace', this.namespace, ...args], options);
  }

  /** What a shell command prints in the pod's container `main`; it must succeed. */
  async exec(pod: Pod, run: string, containerName = 'main'): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl([
      'exec',
      pod.metadata.name,
      '-c',
      containerName,
      '--',
      'sh',
      '-c',
      run,
    ]);
    if (code !== 0) throw new Error(`${run}: exit code ${code}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  /** Runs a shell command in `main` that leads to its end: it may go down with it before its own end is told. */
  async execToTheEnd(pod: Pod, run: string): Promise<void> {
    await this.kubectl(['exec', pod.metadata.name, '-c', 'main', '--', 'sh', '-c', run]);
  }

  /** Ends the first process of `main`, from inside. */
  async endMain(pod: Pod): Promise<void> {
    await this.execToTheEnd(pod, 'kill 1');
  }

  /** Of the Engine's inspect output, by a Go template. */
  async inspect(status: ContainerStatus | undefined, template: string): Promise<string> {
    return docker('inspect', '--format', template, engineId(status));
  }

  /** Deletes what the case has made; does not wait. */
  async close(): Promise<void> {
    for (const target of this.#made.splice(0).reverse()) {
      try {
        await apiText(
          'DELETE',
          `${target}?propagationPolicy=Background${target.includes('/pods/') ? '&gracePeriodSeconds=1' : ''}`,
        );
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
      }
    }
  }
}

/** The Engine's id of a container. */
export function engineId(status: ContainerStatus | undefined): string {
  const [scheme, id] = status?.containerID?.split('://') ?? [];
  if (scheme !== 'docker' || id === undefined) throw new Error(`no container: ${JSON.stringify(status)}`);
  return id;
}

/** Asks until there is an answer. */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await delay(ASK_EVERY_MS);
  }
}

type AddCase = (name: string, body: (world: PodCase) => Promise<void>) => void;

export interface Cases {
  /** A case of every run. */
  readonly quick: AddCase;
  /** A case of the whole suite only. */
  readonly whole: AddCase;
}

/** The cases of one subject, in a namespace of their own. */
export function subject(name: string, define: (cases: Cases) => void, concurrency = 4): void {
  describe(name, { concurrency, skip: noCluster }, () => {
    const namespace = `t-${name.replace(/[^a-z]+/g, '-')}-${randomBytes(3).toString('hex')}`;
    before(async () => {
      await api('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
      await waitFor('the service account', () =>
        api<KubeObject>('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/default`).catch(
          () => undefined,
        ),
      );
    });
    after(async () => {
      await apiText('DELETE', `/api/v1/namespaces/${namespace}`);
    });
    const add = (title: string, body: (world: PodCase) => Promise<void>): void => {
      it(title, { timeout: 400_000 * patience }, async () => {
        const world = new PodCase(namespace);
        try {
          await body(world);
        } finally {
          await world.close();
        }
      });
    };
    define({ quick: add, whole: isWhole ? add : () => undefined });
  });
}
