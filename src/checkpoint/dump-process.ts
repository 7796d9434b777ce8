import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerCgroup } from '../limits/container-cgroup.js';
import { Code, CriError } from '../util/cri-error.js';
import { deferred } from '../util/deferred.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { within } from '../util/within.js';
import type { Bundle } from './bundle.js';
import { PROCESS, apart, dumpEnded, isDumping } from './dump-end.js';

/** The kernel's file that stops and continues all processes of a cgroup. */
export interface Freezer {
  readonly file: string;
  readonly freeze: string;
  readonly thaw: string;
  /** Cgroup v1 may not reach processes that are made meanwhile: then it has to be told again, and at times let go first. */
  readonly isToRepeat: boolean;
  /** The file that tells whether they stand still, and what it holds then. */
  readonly told: { readonly file: string; readonly pattern: RegExp };
}

/** What is dumped, and to where. */
export interface DumpOrder {
  readonly containerId: string;
  readonly bundle: Bundle;
  readonly freezer: Freezer;
  /** Folder of criu. */
  readonly criu: string;
  /** Exists; gets the folder `checkpoint`, `dump.log` and `stats-dump`. */
  readonly work: string;
}

/** Names in the work folder. */
export const IMAGES = 'checkpoint';
const SCRIPT = 'dump.sh';
const RUNTIME_LOG = 'runtime.log';
/** Words of cgroup v1's `freezer.state`. */
const V1_STATE = { frozen: 'frozen'.toUpperCase(), thawed: 'thawed'.toUpperCase() };
const FREEZE_TIMEOUT_MS = 30_000;
const FREEZE_PAUSE_MS = 5;
const ROUNDS_TO_THAW = 20;
/** Of messages that are passed on. */
const MAX_TEXT = 500;

/** Throws FAILED_PRECONDITION where the node cannot freeze the container. */
export function freezerOf(cgroup: ContainerCgroup, cgroupVersion: 1 | 2): Freezer {
  if (cgroupVersion === 2) {
    const [file, events] = [cgroup.file('cgroup.freeze', 2), cgroup.file('cgroup.events', 2)];
    if (file !== undefined && events !== undefined) {
      return {
        file,
        freeze: '1',
        thaw: '0',
        isToRepeat: false,
        told: { file: events, pattern: /^frozen 1$/m },
      };
    }
  } else {
    const file = cgroup.file('freezer.state', 1);
    if (file !== undefined) {
      return {
        file,
        freeze: V1_STATE.frozen,
        thaw: V1_STATE.thawed,
        isToRepeat: true,
        told: { file, pattern: /^frozen$/im },
      };
    }
  }
  throw new CriError(Code.FAILED_PRECONDITION, 'the cgroup of the container cannot be frozen here');
}

/**
 * Freezes a container, has its runtime write down its processes, and lets it go on. That is one process of its own, which goes
 * on by itself whatever becomes of cridock: criu must not be killed in the middle, for it may be in the container's memory
 * then, and the container must not stay frozen. Where systemd runs it is a unit of its own: processes below a seccomp filter,
 * as cridock's unit has, are not shown those of others.
 */
export class DumpProcess {
  readonly #order: DumpOrder;
  readonly #child: ChildProcess;
  /** What it says; kept for who asks later: while one container is frozen, the next is being prepared. */
  readonly #lines: AsyncIterator<string, undefined>;
  readonly #ended = deferred();
  #stderr = '';

  private constructor(order: DumpOrder, command: readonly string[]) {
    this.#order = order;
    const [program = '', ...words] = command;
    // Signals for cridock's terminal are not for it.
    this.#child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    const { stdout, stderr, stdin } = this.#child;
    if (stdout === null || stderr === null || stdin === null) throw new Error('no pipes');
    stdin.on('error', () => undefined); // it has ended: seen below
    stderr.on('data', (bytes: Buffer) => (this.#stderr = (this.#stderr + bytes.toString()).slice(-MAX_TEXT)));
    const lines = createInterface({ input: stdout });
    this.#lines = lines[Symbol.asyncIterator]();
    const end = (): void => {
      lines.close();
      this.#ended.resolve();
    };
    this.#child.on('close', end);
    this.#child.on('error', (error) => {
      this.#stderr = error.message;
      end();
    });
  }

  /** Starts it: the container freezes. */
  static async start(order: DumpOrder): Promise<DumpProcess> {
    await mkdir(join(order.work, IMAGES), { mode: 0o700 });
    const script = join(order.work, SCRIPT);
    await writeFile(script, scriptText(order), { mode: 0o600 });
    return new DumpProcess(order, await apart(['sh', script], order.work));
  }

  /** Resolves once all its processes stand still. */
  async frozen(signal: AbortSignal): Promise<void> {
    const line = await unlessAborted(this.#next(), signal);
    if (line !== 'freezing') {
      // What it says of that may come after the end of its answers.
      await unlessAborted(this.#ended.promise, signal);
      throw this.#failure('cannot be frozen', this.#stderr.trim());
    }
    await this.#whenFrozen(true, signal);
  }

  /** Waits for the kernel to have stopped all of them again: criu lets them go a moment before that. */
  async stillFrozen(signal: AbortSignal): Promise<void> {
    await this.#whenFrozen(false, signal);
  }

  async #whenFrozen(mayThaw: boolean, signal: AbortSignal): Promise<void> {
    const { file, freeze, thaw, isToRepeat, told } = this.#order.freezer;
    const giveUpMs = performance.now() + FREEZE_TIMEOUT_MS;
    for (let round = 1; !told.pattern.test(await readFile(told.file, 'utf8')); round += 1) {
      if (performance.now() > giveUpMs) throw this.#failure('does not stop', `after ${FREEZE_TIMEOUT_MS} ms`);
      if (isToRepeat && mayThaw && round % ROUNDS_TO_THAW === 0) await writeFile(file, thaw, { flag: 'r+' });
      await unlessAborted(delay(FREEZE_PAUSE_MS), signal);
      if (isToRepeat) await writeFile(file, freeze, { flag: 'r+' });
    }
  }

  /** Has its processes written down. When the signal aborts its reason is thrown at once; criu, which must not be ended, goes on. */
  async dump(signal: AbortSignal): Promise<void> {
    const answer = this.#next();
    this.#child.stdin?.write('dump\n');
    const line = await unlessAborted(answer, signal);
    if (line === 'dumped 0') return;
    throw this.#failure('cannot be checkpointed', await this.#reason());
  }

  /**
   * Lets the container go on. True when the process has ended; where it was killed, the container is let go from here, once criu
   * has ended, which freezes it anew. False when that takes longer than `patienceMs`: then the container is not let go from here.
   */
  async end(patienceMs: number): Promise<boolean> {
    this.#child.stdin?.end();
    const { work, freezer } = this.#order;
    const end = this.#ended.promise.then(() => (this.#child.exitCode === 0 ? undefined : dumpEnded(work)));
    // systemd may be slow to tell of an end.
    if (!(await within(patienceMs, end)) && (await isDumping(work))) return false;
    if (this.#child.exitCode !== 0)
      await writeFile(freezer.file, freezer.thaw, { flag: 'r+' }).catch(() => undefined);
    return true;
  }

  /** The next line that it says; undefined when it has ended. */
  async #next(): Promise<string | undefined> {
    return (await this.#lines.next()).value;
  }

  #failure(what: string, reason: string): CriError {
    const { containerId } = this.#order;
    const { exitCode, signalCode } = this.#child;
    const end = signalCode ?? (exitCode === null ? undefined : `code ${exitCode}`);
    const silence = `no reason is told${end === undefined ? '' : `; what writes it down has ended by ${end}`}`;
    return new CriError(
      Code.INTERNAL,
      `container ${containerId} ${what}: ${reason.slice(0, MAX_TEXT) || silence}`,
    );
  }

  /** What the runtime, and criu in its log, tell. */
  async #reason(): Promise<string> {
    const [ofRuntime, ofCriu] = await Promise.all(
      [RUNTIME_LOG, 'dump.log'].map((name) => readFile(join(this.#order.work, name), 'utf8').catch(() => '')),
    );
    const last = (ofRuntime ?? '').trim().split('\n').at(-1) ?? '';
    const errors = (ofCriu ?? '')
      .split('\n')
      .filter((line) => /\bError \(/.test(line) && !/rlimit:/.test(line));
    return [
      messageIn(last) || this.#stderr.trim(),
      ...errors.slice(0, 2).map((line) => `criu: ${line.trim()}`),
    ]
      .filter(Boolean)
      .join('; ');
  }
}

/** Of a line of the runtime's log. */
function messageIn(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === 'string' ? msg : '';
  } catch {
    return line;
  }
}

/**
 * It ends, and lets the container go on, when its stdin ends: at the latest with cridock, or when criu is done then. Nobody
 * reads what it says in that case (SIGPIPE).
 */
function scriptText({ containerId, bundle, freezer, criu, work }: DumpOrder): string {
  const runtime = [
    bundle.runtime,
    ...['--root', bundle.stateRoot, '--log', join(work, RUNTIME_LOG), '--log-format', 'json'],
    ...(bundle.systemdCgroup ? ['--systemd-cgroup'] : []),
    'checkpoint',
    ...['--leave-running', '--file-locks', '--image-path', join(work, IMAGES), '--work-path', work],
    containerId,
  ];
  const file = quoted(freezer.file);
  return [
    `PATH=${quoted(`${criu}:${bundle.path}`)}`,
    'export PATH',
    `trap 'exit 1' HUP INT TERM PIPE`,
    `read -r stat </proc/$$/stat && echo "$stat" >${quoted(join(work, PROCESS))} || exit 1`,
    `trap "echo ${freezer.thaw} >${file.replaceAll('"', '\\"')}" EXIT`,
    `echo ${freezer.freeze} >${file} || exit 1`,
    'echo freezing',
    'read -r _ || exit 1',
    `${runtime.map(quoted).join(' ')} </dev/null >/dev/null 2>&1`,
    'echo "dumped $?"',
    'read -r _ || exit 0',
    '',
  ].join('\n');
}

/** For a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
