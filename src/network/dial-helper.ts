import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { started } from '../util/started.js';
import { isDialReply } from './netns-protocol.js';
import type { DialRequest } from './netns-protocol.js';

/** Of a helper's start and a connection together; a busy machine takes a second. */
const DIAL_TIMEOUT_MS = 30_000;
const MAX_COMPLAINT_CHARS = 1_000;
/** The id of the socket that a helper sends first, which shows that both ends understand each other. */
const READY_ID = 0;

interface PendingDial {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (reason: CriError) => void;
  readonly timer: NodeJS.Timeout;
}

/** A process that makes connections where this one cannot, and hands them back over Node's channel for messages. */
export class DialHelper {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, PendingDial>();
  readonly #onEnd: () => void;
  #complaint = '';
  #nextId = READY_ID + 1;
  #ended = false;

  private constructor(child: ChildProcess, onEnd: () => void) {
    this.#child = child;
    this.#onEnd = onEnd;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(0, MAX_COMPLAINT_CHARS);
    });
    child.on('message', (message, handle) => this.#onReply(message, handle));
    child.on('error', (error) => this.#end(messageOf(error)));
    child.on('close', () => this.#end(this.#complaint.trim() || 'it ended'));
  }

  /** Starts it. `onEnd` is called when it is gone, also when it was ended. Throws as `started`. */
  static async start([file = '', ...args]: readonly string[], onEnd: () => void): Promise<DialHelper> {
    const env = { PATH: process.env['PATH'] };
    const child = await started(spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env }));
    return new DialHelper(child, onEnd);
  }

  /** Resolves when it has sent a first socket, as a helper does that need not be asked. Throws UNAVAILABLE. */
  async ready(): Promise<void> {
    (await this.#reply(READY_ID)).destroy();
  }

  /** A paused socket that keeps half-open connections. Throws UNAVAILABLE with the reason. */
  dial(where: Omit<DialRequest, 'id'>): Promise<Socket> {
    const id = this.#nextId++;
    const reply = this.#reply(id);
    // When the helper is gone its exit, which follows, rejects the call.
    if (this.#child.connected) this.#child.send({ id, ...where } satisfies DialRequest, () => undefined);
    return reply;
  }

  /** Ends it; connections that were made stay. */
  end(): void {
    this.#child.kill('SIGKILL');
  }

  #reply(id: number): Promise<Socket> {
    if (this.#ended) return Promise.reject(unavailable('the helper has ended'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(unavailable(`no connection within ${DIAL_TIMEOUT_MS} ms`));
      }, DIAL_TIMEOUT_MS);
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  #onReply(message: unknown, handle: unknown): void {
    const socket = handle instanceof Socket ? handle : undefined;
    const dial = isDialReply(message) ? this.#pending.get(message.id) : undefined;
    if (!isDialReply(message) || dial === undefined) {
      socket?.destroy();
      return;
    }
    this.#pending.delete(message.id);
    clearTimeout(dial.timer);
    if (socket === undefined) {
      dial.reject(unavailable(message.error ?? 'the connection ended at once'));
      return;
    }
    socket.allowHalfOpen = true;
    socket.pause();
    dial.resolve(socket);
  }

  #end(problem: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(unavailable(`the helper in the pod's network failed: ${problem}`));
    }
    this.#pending.clear();
    this.#onEnd();
  }
}

function unavailable(message: string): CriError {
  return new CriError(Code.UNAVAILABLE, message);
}
