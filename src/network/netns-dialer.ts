import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { ownPart } from '../util/own-program.js';
import { connectLocal } from './connect-local.js';
import { NETNS_HELPER, isDialReply } from './netns-protocol.js';
import type { DialRequest } from './netns-protocol.js';

/** Makes connections to the loopback addresses of one network namespace. */
export interface LoopbackDialer {
  /** A paused socket that keeps half-open connections. Throws UNAVAILABLE with the reason. */
  connect(port: number): Promise<Socket>;
  /** Ends what it started; connections that were made stay. */
  close(): void;
}

/** For pods in the host's network. */
export class HostDialer implements LoopbackDialer {
  async connect(port: number): Promise<Socket> {
    try {
      return await connectLocal(port);
    } catch (error) {
      throw unavailable(messageOf(error));
    }
  }

  close(): void {
    // Nothing was started.
  }
}

/** Of nsenter and Node together; a busy machine takes a second. */
const DIAL_TIMEOUT_MS = 30_000;
const MAX_COMPLAINT_CHARS = 1_000;

interface PendingDial {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (reason: CriError) => void;
  readonly timer: NodeJS.Timeout;
}

interface NetnsHelper {
  readonly child: ChildProcess;
  readonly pending: Map<number, PendingDial>;
}

/**
 * Node cannot change the namespace of its own threads, so a helper process inside it makes the connections and hands
 * them back over its IPC channel: a socket stays in the namespace that it was made in. The helper is started with
 * the first connection and serves all that follow.
 */
export class NetnsDialer implements LoopbackDialer {
  readonly #pid: number;
  #helper: NetnsHelper | undefined;
  #nextId = 1;
  #closed = false;

  /** `pid`: of any process in the namespace, as the host numbers it. */
  constructor(pid: number) {
    this.#pid = pid;
  }

  connect(port: number): Promise<Socket> {
    if (this.#closed) return Promise.reject(unavailable('the session has ended'));
    const helper = (this.#helper ??= this.#start());
    const request: DialRequest = { id: this.#nextId++, port };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        helper.pending.delete(request.id);
        reject(unavailable(`no connection within ${DIAL_TIMEOUT_MS} ms`));
      }, DIAL_TIMEOUT_MS);
      helper.pending.set(request.id, { resolve, reject, timer });
      // When the helper is gone its exit, which follows, rejects the call.
      helper.child.send(request, () => undefined);
    });
  }

  close(): void {
    this.#closed = true;
    this.#helper?.child.kill('SIGKILL');
  }

  #start(): NetnsHelper {
    const command = ownPart(NETNS_HELPER, new URL('./netns-helper.js', import.meta.url));
    const args = ['--target', String(this.#pid), '--net', '--', ...command];
    const child = spawn('nsenter', args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { PATH: process.env['PATH'] },
    });
    const helper: NetnsHelper = { child, pending: new Map() };
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, MAX_COMPLAINT_CHARS);
    });
    child.on('message', (message, handle) => onReply(helper, message, handle));
    child.on('error', (error) => this.#onEnd(helper, messageOf(error)));
    child.on('close', () => this.#onEnd(helper, complaint.trim() || 'it ended'));
    return helper;
  }

  #onEnd(helper: NetnsHelper, problem: string): void {
    if (this.#helper === helper) this.#helper = undefined;
    for (const { reject, timer } of helper.pending.values()) {
      clearTimeout(timer);
      reject(unavailable(`the helper in the pod's network failed: ${problem}`));
    }
    helper.pending.clear();
  }
}

function onReply({ pending }: NetnsHelper, message: unknown, handle: unknown): void {
  const socket = handle instanceof Socket ? handle : undefined;
  const dial = isDialReply(message) ? pending.get(message.id) : undefined;
  if (!isDialReply(message) || dial === undefined) {
    socket?.destroy();
    return;
  }
  pending.delete(message.id);
  clearTimeout(dial.timer);
  if (socket === undefined) {
    dial.reject(unavailable(message.error ?? 'the connection ended at once'));
    return;
  }
  socket.allowHalfOpen = true;
  socket.pause();
  dial.resolve(socket);
}

function unavailable(message: string): CriError {
  return new CriError(Code.UNAVAILABLE, message);
}
