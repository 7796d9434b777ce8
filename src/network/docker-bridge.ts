import { readFile, writeFile } from 'node:fs/promises';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { runProgram } from '../util/run-program.js';
import type { NetworkCondition, PodNetwork, PodNetworkResult } from './network.js';

const BRIDGE_SYSCTLS = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'];

/**
 * `--network-plugin=""`: pods are on Docker's own bridge, Docker gives them their addresses and publishes their host
 * ports. Nothing is recorded here: the caller reads the container's network settings.
 */
export class DockerBridgeNetwork implements PodNetwork {
  readonly sandboxNetworkMode = 'default';
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Makes bridged packets pass through iptables, which kube-proxy relies on; as cri-dockerd, as far as it works. */
  async start(): Promise<void> {
    await runProgram('modprobe', ['br_netfilter'], { timeoutMs: 10_000 }).catch(() => undefined); // often built in
    for (const name of BRIDGE_SYSCTLS) {
      const path = `/proc/sys/net/bridge/${name}`;
      try {
        if ((await readFile(path, 'utf8')).trim() !== '1') await writeFile(path, '1');
      } catch (error) {
        this.#log.info('a sysctl for bridged packets cannot be set', { path, error: messageOf(error) });
      }
    }
  }

  async stop(): Promise<void> {
    // Nothing runs.
  }

  async condition(): Promise<NetworkCondition> {
    return Promise.resolve({ ready: true, reason: '', message: '' });
  }

  async prepare(): Promise<void> {
    // Docker attaches the sandbox when it starts it.
  }

  async newNamespace(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async setUp(): Promise<PodNetworkResult> {
    return Promise.resolve({ ips: [] });
  }

  async tearDown(): Promise<void> {
    // Docker does it when the sandbox stops.
  }

  async forget(): Promise<void> {
    // Nothing is remembered.
  }

  async recorded(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async check(): Promise<void> {
    // Docker's own network is Docker's to look after.
  }

  async gc(): Promise<void> {
    // Docker keeps no more than its containers.
  }

  setPodCidr(): void {
    // Docker chooses the addresses.
  }

  describe(): Record<string, unknown> {
    return { plugin: 'docker-bridge' };
  }
}
