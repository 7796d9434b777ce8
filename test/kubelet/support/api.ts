import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import path from 'node:path';
import { cluster, noCluster } from './cluster.js';

/** The API server's refusal. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(`HTTP ${status}: ${text}`);
    this.status = status;
  }
}

const pki = (name: string): Buffer => readFileSync(path.join(cluster.run, 'pki', name));

/** The administrator's TLS settings. */
export const credentials =
  noCluster === false ? { ca: pki('ca.crt'), cert: pki('admin.crt'), key: pki('admin.key') } : {};

const agent = new Agent({ keepAlive: true, ...credentials });

/** Asks the API server; answers the body as it came. Rejects with ApiError. */
export async function apiText(
  method: string,
  target: string,
  body?: string,
  contentType = 'application/json',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: cluster.address,
        port: 6443,
        method,
        path: target,
        agent,
        headers: body === undefined ? {} : { 'Content-Type': contentType },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          if (status < 300) resolve(text);
          else reject(new ApiError(status, text));
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

/** The same in JSON, both ways. */
export async function api<T>(
  method: string,
  target: string,
  body?: object,
  contentType?: string,
): Promise<T> {
  return JSON.parse(await apiText(method, target, body && JSON.stringify(body), contentType)) as T;
}

export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly annotations?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly deletionTimestamp?: string;
}

export interface Terminated {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
  readonly signal?: number;
  readonly startedAt: string;
  readonly finishedAt: string;
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: Terminated;
}

export interface ContainerStatus {
  readonly name: string;
  readonly state: ContainerState;
  readonly lastState: ContainerState;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly allocatedResources?: Record<string, string>;
  readonly resources?: Resources;
  readonly user?: {
    readonly linux?: { readonly uid: number; readonly gid: number; readonly supplementalGroups?: number[] };
  };
  readonly stopSignal?: string;
  readonly volumeMounts?: readonly { readonly mountPath: string; readonly recursiveReadOnly?: string }[];
}

export interface Resources {
  readonly requests?: Record<string, string>;
  readonly limits?: Record<string, string>;
}

export interface Pod {
  readonly metadata: Metadata;
  readonly spec: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly qosClass?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface KubeEvent {
  readonly reason: string;
  readonly message: string;
  readonly type: string;
  readonly count?: number;
  readonly involvedObject: { readonly name: string; readonly fieldPath?: string };
}

/** Of any kind: its status as far as tests look at it. */
export interface KubeObject {
  readonly metadata: Metadata & { readonly generation?: number };
  readonly status?: Readonly<Record<string, unknown>>;
}

/** The status of one of a pod's containers, of any sort. */
export function containerOf(pod: Pod, name = 'main'): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status;
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (status) => status.name === name,
  );
}

/** The status of a condition: True, False, Unknown or undefined. */
export function condition(pod: Pod, type: string): string | undefined {
  return pod.status.conditions?.find((entry) => entry.type === type)?.status;
}

export const isReady = (pod: Pod): boolean => condition(pod, 'Ready') === 'True';
