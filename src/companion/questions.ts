import { createHash } from 'node:crypto';
import { symlinkSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { refusalText } from '../convert/companion/answer.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { removeFile } from '../util/remove-file.js';

/** What is answered with, for the text of the container's config.json. Throws an Error with the reason for a refusal. */
export type AnswerFor = (config: string) => Promise<Buffer> | Buffer;

/** The same folder as in deploy/companion/runc.c. */
const RUN_FOLDER = '/run/cridock';
/** Where a pod's root file system is shown, in mount namespaces of containers alone: on the node it stays empty. */
const ROOTFS = 'rootfs';
const QUESTIONS = 'companion';
/** The same as in deploy/companion/runc.c. */
const RESTORED = '.restored';
const PROTOCOL = 'cridock-companion 1';
const MAX_QUESTION_BYTES = 16 * 1024 * 1024;
const MAX_HEAD_BYTES = 256;
const QUESTION_TIMEOUT_MS = 10_000;
const ID = /^[0-9a-f]{64}$/;

/**
 * Answers the companion runtime, which asks before it starts a container. In a folder that only root can enter each container
 * that is being started has a link to this process's socket; without one the companion refuses. A link serves one question,
 * and tells nothing: whoever could connect is root already. What comes is held against the starts that are under way.
 */
export class Questions {
  readonly #runFolder: string;
  readonly #folder: string;
  readonly #socketName: string;
  readonly #log: Logger;
  readonly #expected = new Map<string, Expected>();
  readonly #sockets = new Set<Socket>();
  #server: Promise<Server> | undefined;

  /** `rootDirectory` tells this process from others of the node. */
  constructor(rootDirectory: string, log: Logger, runFolder = RUN_FOLDER) {
    this.#runFolder = runFolder;
    this.#folder = join(runFolder, QUESTIONS);
    this.#socketName = `socket-${createHash('sha256').update(rootDirectory).digest('hex').slice(0, 16)}`;
    this.#log = log;
  }

  /** The folder that the companion shows root file systems at. */
  get rootfs(): string {
    return join(this.#runFolder, ROOTFS);
  }

  /** Starts to listen, the first time. Throws an Error. */
  async open(): Promise<void> {
    this.#server ??= this.#listen();
    try {
      await this.#server;
    } catch (error) {
      this.#server = undefined;
      throw error;
    }
  }

  /**
   * Does `work`, during which the container may ask once. One that is restored runs already when the runtime is told to
   * start it: a second link says so.
   */
  async answering<T>(id: string, answer: AnswerFor, work: () => Promise<T>, isRestored = false): Promise<T> {
    if (!ID.test(id)) throw new CriError(Code.INTERNAL, `"${id}" is not an id`);
    await this.open();
    await this.#makeLink(id);
    if (isRestored) await this.#makeLink(id + RESTORED);
    const expected: Expected = { answer, linkGone: undefined };
    this.#expected.set(id, expected);
    try {
      return await work();
    } finally {
      this.#expected.delete(id);
      await (expected.linkGone ?? this.#removeLink(id));
      if (isRestored) await this.#removeLink(id + RESTORED);
    }
  }

  async close(): Promise<void> {
    const server = await this.#server?.catch(() => undefined);
    for (const socket of this.#sockets) socket.destroy();
    server?.close();
  }

  /** In memory, as all of /run, and a start waits for it: handing it to another thread would take longer. */
  async #makeLink(id: string): Promise<void> {
    const link = join(this.#folder, id);
    try {
      symlinkSync(this.#socketName, link);
    } catch {
      // It may be there from a start that was cut off.
      await removeFile(link);
      symlinkSync(this.#socketName, link);
    }
  }

  /** One that stays leads to a refusal. */
  async #removeLink(id: string): Promise<void> {
    await removeFile(join(this.#folder, id)).catch((error: unknown) =>
      this.#log.warn('a link for the companion stays', { id, error: messageOf(error) }),
    );
  }

  async #listen(): Promise<Server> {
    await makeOwn(this.#runFolder, 0o711);
    await makeOwn(this.rootfs, 0o711);
    await makeOwn(this.#folder, 0o700);
    for (const name of await readdir(this.#folder)) {
      // Links of starts that a kill has cut off: nobody else has this process's socket.
      const path = join(this.#folder, name);
      const isOwn = name === this.#socketName || (await readlink(path).catch(() => '')) === this.#socketName;
      if (isOwn) await removeFile(path);
    }
    const server = createServer((socket) => this.#take(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(this.#folder, this.#socketName), () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', (error) =>
      this.#log.error('the companion cannot be answered', { error: messageOf(error) }),
    );
    server.unref();
    return server;
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    const parts: Buffer[] = [];
    let size = 0;
    const refuse = (reason: string): void => {
      this.#log.warn('a question of the companion is refused', { reason });
      socket.end(refusalText(reason));
    };
    socket.setTimeout(QUESTION_TIMEOUT_MS, () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (part) => {
      parts.push(part);
      size += part.length;
      const whole = size > MAX_QUESTION_BYTES ? 'the question is too long' : wholeQuestion(parts, size);
      if (whole === undefined) return;
      socket.pause();
      const answer =
        typeof whole === 'string' ? Promise.reject(new Error(whole)) : this.#answer(whole, socket);
      void answer.catch((error: unknown) => refuse(messageOf(error)));
    });
  }

  async #answer({ id, config }: Question, socket: Socket): Promise<void> {
    const expected = this.#expected.get(id);
    if (expected === undefined) throw new Error(`cridock is not starting ${id}`);
    this.#expected.delete(id);
    socket.end(await expected.answer(config));
    // While the container starts, and not when it has, or before it can: nobody is to wait for it.
    expected.linkGone = this.#removeLink(id);
  }
}

interface Expected {
  readonly answer: AnswerFor;
  /** The removal of its link, once it has asked. */
  linkGone: Promise<void> | undefined;
}

interface Question {
  readonly id: string;
  readonly config: string;
}

/** Undefined while there is more to come, a text for what is no question. */
function wholeQuestion(parts: Buffer[], size: number): Question | string | undefined {
  const [first = Buffer.alloc(0)] = parts;
  const end = first.indexOf('\n');
  if (end < 0) {
    if (size > MAX_HEAD_BYTES) return 'no question';
    if (parts.length > 1) parts.splice(0, parts.length, Buffer.concat(parts));
    const [joined = first] = parts;
    if (!joined.includes('\n')) return undefined;
    return wholeQuestion(parts, size);
  }
  const head = first.toString('latin1', 0, Math.min(end, MAX_HEAD_BYTES));
  const match = /^(.*) create ([0-9a-f]{64}) (\d{1,9})$/.exec(head);
  const [, protocol, id = '', length = ''] = match ?? [];
  if (protocol !== PROTOCOL) return `this is "${PROTOCOL}", and another was asked for`;
  const missing = end + 1 + Number(length) - size;
  if (missing > 0) return undefined;
  if (missing < 0) return 'the question is longer than it says';
  return { id, config: Buffer.concat(parts).toString('utf8', end + 1) };
}

/** Throws where somebody else than root could have made it: what is in it decides on what runs as root. */
async function makeOwn(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  const facts = await lstat(path);
  const uid = process.getuid?.() ?? 0;
  if (!facts.isDirectory() || facts.uid !== uid || (facts.mode & 0o022) !== 0) {
    throw new Error(`${path} is not a folder that only its owner, user ${uid}, can write to`);
  }
  await chmod(path, mode); // whatever the umask
}
