import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { getSystemErrorName } from 'node:util';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { startFailure, started } from '../../util/started.js';
import { REAP_MS } from './plugin-processes.js';
import type { NewNamespace } from '../network.js';
import type { PluginExit, PluginProcesses, PluginProgram } from './plugin-processes.js';

/** A length, then: kind, id, value, and the length of what the plugin printed to stdout; numbers have 32 bits, the kind 8. */
const LENGTH_BYTES = 4;
const HEAD_BYTES = 13;
/** Of the answer that the runner sends when it is ready. */
const READY_ID = 0;
const IDS = 2 ** 32;
/** As a rule it takes some milliseconds; a busy machine may take seconds. Plugins run without the runner too. */
const START_TIMEOUT_MS = 10_000;
/** Of what takes no time, as a busy machine may be slow; who gives up a helper takes the answers of all plugins that run in it. */
const PROBE_TIMEOUT_MS = 10_000;
/** As a rule it takes a millisecond; a pod can do without one made ahead. */
const NAMESPACE_TIMEOUT_MS = 2_000;

/** One answer of the runner: see deploy/helper/plugin-runner.c. */
interface Answer {
  readonly kind: string;
  readonly value: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * Plugins as children of a small process that stays. A process of Node that starts another stands still until that one is
 * there, for some milliseconds on a busy node, three times or more for each pod.
 */
export class PluginRunner implements PluginProcesses {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, Waiting>();
  /** Told once it has been ready. */
  #onEnd: (problem: CriError) => void = () => undefined;
  /** Parts of answers that are not whole yet. */
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #lastId = READY_ID;
  #isProbing = false;
  #ended: CriError | undefined;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    child.stdin.on('error', () => undefined); // its end, which follows, tells of it
    child.stdout.on('data', (chunk: Buffer) => this.#onData(chunk));
    child.on('error', (error) => this.#end(gone(messageOf(error))));
    child.on('close', (code, signal) => this.#end(gone(`ended with ${signal ?? code ?? 'nothing'}`)));
  }

  /**
   * Starts it, and waits until it is ready. `onEnd` is told why it has gone after that. Throws as `started`, or UNAVAILABLE;
   * who is not ready in time is killed: DEADLINE_EXCEEDED.
   */
  static async start(file: string, onEnd: (problem: CriError) => void): Promise<PluginRunner> {
    const child = await started(spawn(file, [], { stdio: ['pipe', 'pipe', 'inherit'], env: {} }));
    const runner = new PluginRunner(child);
    const timer = setTimeout(
      () => runner.#giveUp(gone(`was not ready within ${START_TIMEOUT_MS} ms`, Code.DEADLINE_EXCEEDED)),
      START_TIMEOUT_MS,
    );
    try {
      await runner.#answer(READY_ID);
    } finally {
      clearTimeout(timer);
    }
    runner.#onEnd = onEnd;
    if (runner.#ended !== undefined) throw runner.#ended;
    return runner;
  }

  async run(program: PluginProgram, signal: AbortSignal): Promise<PluginExit> {
    const id = this.#nextId();
    const request = runRequest(id, program);
    let reaping: NodeJS.Timeout | undefined;
    const answer = this.#answer(id);
    this.#child.stdin.write(request);
    const onAbort = (): void => {
      this.#child.stdin.write(killRequest(id));
      reaping = setTimeout(() => {
        this.#onAnswer(id, KILLED);
        void this.#probe();
      }, REAP_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      return exitOf(await answer, program.path);
    } finally {
      clearTimeout(reaping);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async newNamespace(): Promise<NewNamespace> {
    const id = this.#nextId();
    const answer = this.#answer(id);
    this.#child.stdin.write(frame('N', id, Buffer.alloc(0)));
    const timer = setTimeout(() => this.#onAnswer(id, KILLED), NAMESPACE_TIMEOUT_MS);
    try {
      const { kind, value } = await answer;
      if (kind === 'N')
        return { path: `/proc/${this.#child.pid}/fd/${value}`, letGo: () => this.#letGo(value) };
      const reason = kind === 'F' ? getSystemErrorName(-value) : `not within ${NAMESPACE_TIMEOUT_MS} ms`;
      throw new CriError(Code.UNAVAILABLE, `a network namespace cannot be made: ${reason}`);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#child.stdin.end();
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % IDS;
    while (this.#lastId === READY_ID || this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  #answer(id: number): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#hold(true);
    });
  }

  #letGo(descriptor: number): void {
    this.#child.stdin.write(frame('C', descriptor, Buffer.alloc(0)));
  }

  #onAnswer(id: number, answer: Answer): void {
    const waiting = this.#waiting.get(id);
    // Late answers of those that were killed find nobody.
    waiting?.resolve(answer);
    if (waiting === undefined && answer.kind === 'N') this.#letGo(answer.value);
    this.#waiting.delete(id);
    this.#hold(this.#waiting.size > 0);
  }

  /**
   * Gives the helper up if it does not answer: it waits for the exec of each plugin, so that one on a file system that hangs keeps it
   * from all others. It is asked for a plugin without a path, which it refuses at once.
   */
  async #probe(): Promise<void> {
    if (this.#isProbing) return;
    this.#isProbing = true;
    const id = this.#nextId();
    const timer = setTimeout(() => this.#giveUp(gone('does not answer')), PROBE_TIMEOUT_MS);
    const answer = this.#answer(id);
    this.#child.stdin.write(frame('R', id, Buffer.alloc(1)));
    await answer.catch(() => undefined);
    clearTimeout(timer);
    this.#isProbing = false;
  }

  /** It keeps this process alive only while somebody waits. */
  #hold(awaited: boolean): void {
    for (const part of [this.#child, this.#child.stdin, this.#child.stdout]) {
      const call: unknown = Reflect.get(part, awaited ? 'ref' : 'unref');
      if (typeof call === 'function') Reflect.apply(call, part, []);
    }
  }

  #onData(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    let bytes = this.#received.length === 1 ? chunk : undefined;
    for (;;) {
      if (this.#receivedBytes < LENGTH_BYTES) break;
      bytes ??= Buffer.concat(this.#received);
      const end = LENGTH_BYTES + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      const id = bytes.readUInt32LE(LENGTH_BYTES + 1);
      this.#onAnswer(id, answerIn(bytes.subarray(LENGTH_BYTES, end)));
      bytes = bytes.subarray(end);
      this.#receivedBytes = bytes.length;
    }
    if (bytes !== undefined) this.#received = bytes.length === 0 ? [] : [bytes];
  }

  #giveUp(problem: CriError): void {
    this.#end(problem);
    this.#child.kill('SIGKILL');
    // A child of it that waits for its exec holds the other ends, however long that is.
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    this.#hold(false);
  }

  #end(problem: CriError): void {
    if (this.#ended !== undefined) return;
    this.#ended = problem;
    for (const { reject } of this.#waiting.values()) reject(problem);
    this.#waiting.clear();
    this.#onEnd(problem);
  }
}

const KILLED: Answer = { kind: 'S', value: 9, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };

function runRequest(id: number, { path, env, input }: PluginProgram): Buffer {
  const texts = [path, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  // It would end there, and what follows it would be a variable of its own.
  if (texts.some((text) => text.includes('\0'))) throw new Error('a variable with a NUL in it');
  return frame('R', id, Buffer.from(`${texts.join('\0')}\0\0${input}`));
}

function killRequest(id: number): Buffer {
  return frame('K', id, Buffer.alloc(0));
}

function frame(kind: string, id: number, rest: Buffer): Buffer {
  const head = Buffer.alloc(LENGTH_BYTES + 5);
  head.writeUInt32LE(5 + rest.length, 0);
  head.write(kind, LENGTH_BYTES, 'latin1');
  head.writeUInt32LE(id, LENGTH_BYTES + 1);
  return Buffer.concat([head, rest]);
}

function answerIn(bytes: Buffer): Answer {
  const stdoutEnd = HEAD_BYTES + bytes.readUInt32LE(9);
  return {
    kind: bytes.toString('latin1', 0, 1),
    value: bytes.readUInt32LE(5),
    stdout: bytes.subarray(HEAD_BYTES, stdoutEnd),
    stderr: bytes.subarray(stdoutEnd),
  };
}

function exitOf({ kind, value, stdout, stderr }: Answer, path: string): PluginExit {
  if (kind === 'F') {
    const code = getSystemErrorName(-value);
    throw startFailure(Object.assign(new Error(`spawn ${path} ${code}`), { code, path }));
  }
  return {
    code: kind === 'E' ? value : null,
    stdout: stdout.toString(),
    stderr: stderr.toString(),
    printedTooMuch: kind === 'O',
  };
}

function gone(problem: string, code: Code = Code.UNAVAILABLE): CriError {
  return new CriError(code, `the helper that runs CNI plugins ${problem}`);
}
