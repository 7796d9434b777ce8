import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { Code, CriError, messageOf } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { replaceFile } from '../../util/replace-file.js';
import { POD_INTERFACE, type Attachment } from './attachment.js';
import { isJsonObject, parseJsonObject } from './json-object.js';
import { parseNetworkList } from './network-config.js';
import { isMissing } from '../../util/is-missing.js';

const KIND = 'cniCacheV1';
const TEMPORARY_PREFIX = '.tmp-';
/** The network under which cri-dockerd records its runs of the loopback plugin. */
const LOOPBACK_NETWORK = 'cni-loopback';

/**
 * The record of attachments, one file each, in the format and place of libcni, so that cri-dockerd can detach what
 * was attached here, and the other way round: `<cacheDir>/results/<network>-<sandbox id>-eth0`.
 *
 * An attachment is recorded before its first plugin runs, then without a result: what a crash leaves behind can be
 * detached. libcni reads such a record as one with an empty result.
 */
export class AttachmentCache {
  readonly #dir: string;
  /** A file for each sandbox that was detached, by its id: its last record. */
  readonly #detachedDir: string;
  readonly #log: Logger;

  constructor(cacheDir: string, log: Logger) {
    this.#dir = join(cacheDir, 'results');
    this.#detachedDir = join(cacheDir, 'detached');
    this.#log = log;
  }

  /**
   * Records the attachment. As libcni's own cache it need not survive a power cut, which takes namespaces and rules with it: DEL
   * then goes by the present configuration. Throws UNKNOWN with the path when that fails.
   */
  async write(attachment: Attachment): Promise<void> {
    const path = this.#pathOf(attachment);
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await replaceFile(
        path,
        join(this.#dir, TEMPORARY_PREFIX + basename(path)),
        serialize(attachment),
        'a crash',
      );
    } catch (error) {
      throw new CriError(Code.UNKNOWN, `CNI cache file ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * The attachment is undone: its record is put aside in one step, so that after a crash the sandbox is recorded either as
   * attached or as detached. Where it cannot be put aside (a full disk) it is removed, and nothing is remembered.
   */
  async setDetached(attachment: Attachment): Promise<void> {
    const path = this.#pathOf(attachment);
    const aside = join(this.#detachedDir, attachment.containerId);
    try {
      if (await renamed(path, aside)) return;
      await mkdir(this.#detachedDir, { recursive: true, mode: 0o700 });
      if (await renamed(path, aside)) return;
      await writeFile(aside, '', { mode: 0o600 }); // it was attached without a record
    } catch (error) {
      await rm(path, { force: true });
      const fields = { sandboxId: attachment.containerId, error: messageOf(error) };
      this.#log.warn('cannot remember that a sandbox was detached: its plugins will be asked again', fields);
    }
  }

  /** True for a sandbox that was detached, unless it was forgotten. Counts only where `find` finds nothing. */
  async isDetached(sandboxId: string): Promise<boolean> {
    return access(join(this.#detachedDir, sandboxId)).then(
      () => true,
      () => false,
    );
  }

  /** The ids of all sandboxes that are known to be detached. */
  async detachedIds(): Promise<string[]> {
    return listed(this.#detachedDir);
  }

  /** No longer remembers that the sandbox was detached. */
  async forget(sandboxId: string): Promise<void> {
    await rm(join(this.#detachedDir, sandboxId), { force: true });
  }

  /**
   * The attachments of a sandbox, on whatever networks they are. A record that cannot be read is reported, renamed
   * to `<name>.corrupt-<n>` and left out.
   */
  async find(sandboxId: string): Promise<Attachment[]> {
    const found: Attachment[] = [];
    for (const name of await this.#names(sandboxId)) {
      const path = join(this.#dir, name);
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text === undefined) continue; // removed meanwhile
      try {
        const attachment = parse(text);
        if (attachment.containerId === sandboxId) found.push(attachment);
      } catch (error) {
        await this.#setAside(path, messageOf(error));
      }
    }
    return found;
  }

  /** The ids of all sandboxes that are recorded, with a result or without. */
  async sandboxIds(): Promise<Set<string>> {
    const ids = (await listed(this.#dir)).map(
      (name) => new RegExp(`-([0-9a-f]{64})-${POD_INTERFACE}$`).exec(name)?.[1],
    );
    return new Set(ids.filter((id) => id !== undefined));
  }

  /** Removes cri-dockerd's record of the loopback interface, for which there is nothing to be undone. */
  async removeLoopback(sandboxId: string): Promise<void> {
    await rm(join(this.#dir, `${LOOPBACK_NETWORK}-${sandboxId}-${POD_INTERFACE}`), { force: true });
  }

  /** Removes what writes left behind that a crash cut short. Only while nothing is being written. */
  async removeTemporary(): Promise<void> {
    const names = (await listed(this.#dir)).filter((name) => name.startsWith(TEMPORARY_PREFIX));
    await Promise.all(names.map((name) => rm(join(this.#dir, name), { force: true })));
  }

  #pathOf({ network, containerId, ifName }: Attachment): string {
    return join(this.#dir, `${network.name}-${containerId}-${ifName}`);
  }

  async #names(sandboxId: string): Promise<string[]> {
    const ending = `-${sandboxId}-${POD_INTERFACE}`;
    const loopback = LOOPBACK_NETWORK + ending;
    const names = (await listed(this.#dir)).filter((name) => name.endsWith(ending) && name !== loopback);
    return names.filter((name) => !name.startsWith(TEMPORARY_PREFIX));
  }

  async #setAside(path: string, reason: string): Promise<void> {
    const taken = new Set(await listed(this.#dir));
    let n = 1;
    while (taken.has(`${basename(path)}.corrupt-${n}`)) n += 1;
    const aside = `${path}.corrupt-${n}`;
    try {
      await rename(path, aside);
    } catch (error) {
      if (isMissing(error)) return; // another reader was first
      throw new CriError(Code.UNKNOWN, `CNI cache file ${path}: ${messageOf(error)}`, { cause: error });
    }
    this.#log.warn('a CNI cache file cannot be read and was set aside', { path, reason, aside });
  }
}

/** Answers false when there is no such file, or no folder to put it into. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function listed(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (isMissing(error)) return [];
    throw new CriError(Code.UNKNOWN, `CNI cache ${dir}: ${messageOf(error)}`, { cause: error });
  }
}

function serialize(attachment: Attachment): string {
  const { network, containerId, ifName, netnsPath, cniArgs, capabilityArgs, result } = attachment;
  return JSON.stringify({
    kind: KIND,
    containerId,
    config: Buffer.from(network.text).toString('base64'),
    ifName,
    networkName: network.name,
    netns: netnsPath === '' ? undefined : netnsPath,
    cniArgs,
    capabilityArgs: Object.keys(capabilityArgs).length === 0 ? undefined : capabilityArgs,
    result,
  });
}

function parse(text: string): Attachment {
  const record = parseJsonObject(text);
  const { kind, containerId, config, ifName, netns, cniArgs, capabilityArgs, result } = record;
  if (kind !== KIND) throw new Error(`kind is not ${KIND}`);
  if (typeof containerId !== 'string' || typeof ifName !== 'string' || typeof config !== 'string') {
    throw new Error('containerId, ifName or config is missing');
  }
  return {
    network: parseNetworkList(Buffer.from(config, 'base64').toString()),
    containerId,
    ifName,
    netnsPath: typeof netns === 'string' ? netns : '',
    cniArgs: isPairs(cniArgs) ? cniArgs : [],
    capabilityArgs: isJsonObject(capabilityArgs) ? capabilityArgs : {},
    result: isJsonObject(result) ? result : undefined,
  };
}

function isPairs(value: unknown): value is [string, string][] {
  return (
    Array.isArray(value) &&
    value.every(
      (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((item) => typeof item === 'string'),
    )
  );
}
