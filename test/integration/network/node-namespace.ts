import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PLUGIN_DIRS = ['/usr/lib/cni', '/opt/cni/bin'];

/** Why real plugins cannot be run here, or false. */
export function noRealPlugins(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!PLUGIN_DIRS.some((dir) => existsSync(join(dir, 'bridge')))) return 'needs the CNI plugins';
  return !existsSync('/sbin/ip') && 'needs iproute2';
}

/**
 * A network namespace that plays the node, and others that play its pods: real plugins leave no bridge, no rule and no
 * interface on the machine.
 */
export class NodeNamespace {
  readonly #prefix = `cni-${randomBytes(3).toString('hex')}`;
  readonly #names: string[] = [];
  readonly node = `${this.#prefix}-node`;

  async make(): Promise<void> {
    await this.#add(this.node);
    await this.inNode('ip', 'link', 'set', 'lo', 'up');
  }

  async dispose(): Promise<void> {
    for (const name of this.#names) await run('ip', ['netns', 'delete', name]);
  }

  /** Makes a pod's namespace and returns its path. */
  async addPod(name: string): Promise<string> {
    await this.#add(this.#podName(name));
    return `/run/netns/${this.#podName(name)}`;
  }

  /** Puts stand-ins for the installed plugins into `binDir` that run them on the node. */
  async installPlugins(binDir: string): Promise<void> {
    const dir = PLUGIN_DIRS.find((candidate) => existsSync(join(candidate, 'bridge'))) ?? '';
    for (const plugin of await readdir(dir)) {
      const script = `#!/bin/sh\nexec ip netns exec ${this.node} ${join(dir, plugin)}\n`;
      await writeFile(join(binDir, plugin), script, { mode: 0o755 });
    }
  }

  /** Runs a command on the node and returns what it prints. */
  async inNode(...command: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.node, ...command])).stdout;
  }

  /** Runs a command in a pod. */
  async inPod(name: string, ...command: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.#podName(name), ...command])).stdout;
  }

  /** The command line that runs a command in a pod. */
  podCommand(name: string, ...command: string[]): string[] {
    return ['ip', 'netns', 'exec', this.#podName(name), ...command];
  }

  #podName(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  async #add(name: string): Promise<void> {
    await run('ip', ['netns', 'add', name]);
    this.#names.push(name);
  }
}
