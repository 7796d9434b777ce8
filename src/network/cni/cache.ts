import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { isMissing } from '../../util/is-missing.js';
import type { Logger } from '../../util/log.js';
import { removeFile } from '../../util/remove-file.js';
import { replaceFile } from '../../util/replace-file.js';
import { parseAttachment, serializeAttachment } from './attachment-record.js';
import { POD_INTERFACE, type Attachment } from './attachment.js';

const TEMPORARY_PREFIX = '.tmp-';
/** The network under which cri-dockerd records its runs of the loopback plugin. */
const LOOPBACK_NETWORK = 'cni-loopback';
const RECORD_NAME = new RegExp(`-([0-9a-f]{64})-${POD_INTERFACE}$`);

/** What the folders hold: nobody else writes there while cridock runs. */
interface Known {
  /** By sandbox id, then by file name; undefined before it was read. */
  readonly records: Map<string, Map<string, Attachment | undefined>>;
  readonly loopbacks: Set<string>;
  readonly detached: Set<string>;
}

/**
 * The record of attachments, one file each, in the format and place of libcni, so that cri-dockerd can detach what
 * was attached here, and the other way round: `<cacheDir>/results/<network>-<sandbox id>-eth0`. The folders are listed once, and
 * each file is read once; from then on memory tells what they hold.
 *
 * An attachment is recorded before its first plugin runs, then without a result: what a crash leaves behind can be
 * detached. libcni reads such a record as one with an empty result.
 */
export class AttachmentCache {
  readonly #dir: string;
  /** A file for each sandbox that was detached, by its id: its last record. */
  readonly #detachedDir: string;
  readonly #log: Logger;
  #knowing: Promise<Known> | undefined;

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
    const known = await this.#known();
    const name = fileNameOf(attachment);
    const path = join(this.#dir, name);
    const unfinished = join(this.#dir, TEMPORARY_PREFIX + name);
    const put = (): Promise<void> =>
      replaceFile(path, unfinished, serializeAttachment(attachment), 'a crash');
    try {
      await put().catch(async (error: unknown) => {
        if (!isMissing(error)) throw error;
        await mkdir(this.#dir, { recursive: true, mode: 0o700 });
        await put();
      });
    } catch (error) {
      throw new CriError(Code.UNKNOWN, `CNI cache file ${path}: ${messageOf(error)}`, { cause: error });
    }
    noteRecord(known, attachment.containerId, name, attachment);
  }

  /**
   * The attachment is undone: its record is put aside in one step, so that after a crash the sandbox is recorded either as
   * attached or as detached. Where it cannot be put aside (a full disk) it is removed, and nothing is remembered.
   */
  async setDetached(attachment: Attachment): Promise<void> {
    const known = await this.#known();
    const sandboxId = attachment.containerId;
    const name = fileNameOf(attachment);
    try {
      await this.#putAside(join(this.#dir, name), join(this.#detachedDir, sandboxId));
      known.detached.add(sandboxId);
    } catch (error) {
      await removeFile(join(this.#dir, name));
      const fields = { sandboxId, error: messageOf(error) };
      this.#log.warn('cannot remember that a sandbox was detached: its plugins will be asked again', fields);
    }
    forgetRecord(known, sandboxId, name);
  }

  /** True for a sandbox that was detached, unless it was forgotten. Counts only where `find` finds nothing. */
  async isDetached(sandboxId: string): Promise<boolean> {
    return (await this.#known()).detached.has(sandboxId);
  }

  /** The ids of all sandboxes that are known to be detached. */
  async detachedIds(): Promise<string[]> {
    return [...(await this.#known()).detached];
  }

  /** No longer remembers that the sandbox was detached. */
  async forget(sandboxId: string): Promise<void> {
    const { detached } = await this.#known();
    if (!detached.has(sandboxId)) return;
    await removeFile(join(this.#detachedDir, sandboxId));
    detached.delete(sandboxId);
  }

  /**
   * The attachments of a sandbox, on whatever networks they are. A record that cannot be read is reported, renamed
   * to `<name>.corrupt-<n>` and left out.
   */
  async find(sandboxId: string): Promise<Attachment[]> {
    const known = await this.#known();
    const found: Attachment[] = [];
    for (const [name, read] of [...(known.records.get(sandboxId) ?? [])]) {
      const attachment = read ?? (await this.#read(name));
      if (attachment?.containerId === sandboxId) {
        known.records.get(sandboxId)?.set(name, attachment);
        found.push(attachment);
      } else forgetRecord(known, sandboxId, name);
    }
    return found;
  }

  /** The ids of all sandboxes that are recorded, with a result or without. */
  async sandboxIds(): Promise<Set<string>> {
    const { records, loopbacks } = await this.#known();
    return new Set([...records.keys(), ...loopbacks]);
  }

  /** Removes cri-dockerd's record of the loopback interface, for which there is nothing to be undone. */
  async removeLoopback(sandboxId: string): Promise<void> {
    const { loopbacks } = await this.#known();
    if (!loopbacks.has(sandboxId)) return;
    await removeFile(join(this.#dir, `${LOOPBACK_NETWORK}-${sandboxId}-${POD_INTERFACE}`));
    loopbacks.delete(sandboxId);
  }

  /** Removes what writes left behind that a crash cut short. Only while nothing is being written. */
  async removeTemporary(): Promise<void> {
    const names = (await listed(this.#dir)).filter((name) => name.startsWith(TEMPORARY_PREFIX));
    await Promise.all(names.map((name) => removeFile(join(this.#dir, name))));
  }

  async #known(): Promise<Known> {
    this.#knowing ??= this.#list().catch((error: unknown) => {
      this.#knowing = undefined; // the next one may find the disk mended
      throw error;
    });
    return this.#knowing;
  }

  async #list(): Promise<Known> {
    const [names, detached] = await Promise.all([listed(this.#dir), listed(this.#detachedDir)]);
    const known: Known = { records: new Map(), loopbacks: new Set(), detached: new Set(detached) };
    for (const name of names) {
      const sandboxId = RECORD_NAME.exec(name)?.[1];
      if (sandboxId === undefined || name.startsWith(TEMPORARY_PREFIX)) continue;
      noteRecord(known, sandboxId, name, undefined);
    }
    return known;
  }

  /** Undefined for a record that is gone, or was set aside. */
  async #read(name: string): Promise<Attachment | undefined> {
    const path = join(this.#dir, name);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined; // removed by hand
    try {
      return parseAttachment(text);
    } catch (error) {
      await this.#setCorruptAside(path, messageOf(error));
      return undefined;
    }
  }

  async #putAside(path: string, aside: string): Promise<void> {
    if (await renamed(path, aside)) return;
    await mkdir(this.#detachedDir, { recursive: true, mode: 0o700 });
    if (await renamed(path, aside)) return;
    await writeFile(aside, '', { mode: 0o600 }); // it was attached without a record
  }

  async #setCorruptAside(path: string, reason: string): Promise<void> {
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

function fileNameOf({ network, containerId, ifName }: Attachment): string {
  return `${network.name}-${containerId}-${ifName}`;
}

function noteRecord(
  { records, loopbacks }: Known,
  sandboxId: string,
  name: string,
  attachment: Attachment | undefined,
): void {
  if (name.startsWith(`${LOOPBACK_NETWORK}-`)) {
    loopbacks.add(sandboxId);
    return;
  }
  const ofSandbox = records.get(sandboxId) ?? new Map<string, Attachment | undefined>();
  records.set(sandboxId, ofSandbox.set(name, attachment));
}

function forgetRecord({ records }: Known, sandboxId: string, name: string): void {
  const ofSandbox = records.get(sandboxId);
  ofSandbox?.delete(name);
  if (ofSandbox?.size === 0) records.delete(sandboxId);
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
