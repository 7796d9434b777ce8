import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Engine } from '../../src/docker/engine.js';
import type { CridockProcess } from './cridock-process.js';

/** What pods leave behind when something is forgotten, by kind. */
export interface Leftovers extends Record<string, string[]> {
  containers: string[];
  interfaces: string[];
  addresses: string[];
  mounts: string[];
  checkpoints: string[];
  cniCache: string[];
}

/** Reads what there is now on this node: of this Engine, of this cridock's folders and of its bridge. */
export async function leftovers(engine: Engine, cridock: CridockProcess): Promise<Leftovers> {
  const containers = await engine.listContainers(['io.kubernetes.docker.type']);
  const { DockerRootDir: rootDir } = await engine.info();
  return {
    containers: containers.flatMap(({ Names: names }) => names),
    interfaces: listed(`/sys/class/net/${cridock.bridge}/brif`),
    addresses: leasedAddresses(cridock),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${rootDir}/`)),
    checkpoints: filesBelow(path.join(cridock.directory, 'root')),
    cniCache: filesBelow(path.join(cridock.directory, 'cni-cache')),
  };
}

/** The IPv4 addresses that pods have of the network plugins. */
export function leasedAddresses({ directory }: CridockProcess): string[] {
  return filesBelow(path.join(directory, 'ipam')).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name));
}

/** What is there now and was not at the start. */
export function added(atStart: Leftovers, now: Leftovers): string[] {
  return Object.entries(now).flatMap(([kind, items]) =>
    items.filter((item) => atStart[kind]?.includes(item) !== true).map((item) => `${kind}: ${item}`),
  );
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // the bridge is made with the first pod
  }
}

function filesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  } catch {
    return []; // nothing was made there yet
  }
}
