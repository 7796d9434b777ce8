import { existsSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Code, CriError, hasCode, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { ownHelper, ownPart } from '../util/own-program.js';
import { connectLocal } from './connect-local.js';
import { DialHelper } from './dial-helper.js';
import { NETNS_HELPER } from './netns-protocol.js';

/** Makes connections to the loopback addresses of one network namespace. */
export interface LoopbackDialer {
  /** A paused socket that keeps half-open connections. Throws UNAVAILABLE with the reason. */
  connect(port: number): Promise<Socket>;
  /** Ends what was started for it; connections that were made stay. */
  close(): void;
}

/** For pods in the host's network. */
export class HostDialer implements LoopbackDialer {
  async connect(port: number): Promise<Socket> {
    try {
      return await connectLocal(port);
    } catch (error) {
      throw new CriError(Code.UNAVAILABLE, messageOf(error));
    }
  }

  close(): void {
    // Nothing was started.
  }
}

/** The small helper, which the package brings: deploy/helper/netns-dial.c. */
const NATIVE_HELPER = 'netns-dial';
const GONE = "the pod's network is gone";
/** Helpers that are processes of Node, of some 40 MB each. */
const MAX_SLOW_HELPERS = 16;

interface SharedHelper {
  readonly helper: Promise<DialHelper>;
  readonly users: Set<object>;
}

/**
 * Connections into pods' network namespaces. Node cannot change the namespace of its own threads, so a helper process makes
 * them and hands them back: a socket stays in the namespace that it was made in. One small helper serves all pods; where
 * there is none, or Node does not understand it, a process of Node is started in each namespace. Helpers start with
 * the first connection, are shared by all sessions, and end with the last of them.
 */
export class NetnsDialers {
  readonly #log: Logger;
  readonly #helpers = new Map<string, SharedHelper>();
  readonly #users = new Set<object>();
  #native: string | undefined;

  /** `native`: where the small helper is, if there is one. */
  constructor(log: Logger, native = ownHelper(NATIVE_HELPER)) {
    this.#log = log;
    this.#native = existsSync(native) ? native : undefined;
  }

  /** `pid`: of any process in the namespace, as the host numbers it. Throws UNAVAILABLE when there is none. */
  open(pid: number): LoopbackDialer {
    const user = {};
    const inode = namespaceOf(pid);
    this.#users.add(user);
    return {
      connect: async (port) => {
        this.#checkOpen(user);
        const helper = await this.#helperFor(user, pid, inode);
        this.#checkOpen(user);
        return helper.dial({ pid, inode, port });
      },
      close: () => {
        this.#users.delete(user);
        this.#release(user);
      },
    };
  }

  #checkOpen(user: object): void {
    if (this.#users.has(user)) return;
    this.#release(user);
    throw new CriError(Code.UNAVAILABLE, 'the session has ended');
  }

  async #helperFor(user: object, pid: number, inode: number): Promise<DialHelper> {
    if (this.#native !== undefined) {
      try {
        return await this.#shared(user, 'native', [this.#native]);
      } catch (error) {
        if (hasCode(error, Code.RESOURCE_EXHAUSTED)) throw error;
        this.#giveUpNative(messageOf(error));
      }
    }
    if (namespaceOf(pid) !== inode) throw new CriError(Code.UNAVAILABLE, GONE);
    const part = ownPart(NETNS_HELPER, new URL('./netns-helper.js', import.meta.url));
    const command = ['nsenter', '--target', String(pid), '--net', '--', ...part];
    const key = String(inode);
    if (!this.#helpers.has(key) && this.#helpers.size >= MAX_SLOW_HELPERS) {
      const message = `ports of ${MAX_SLOW_HELPERS} pods are forwarded, and a helper for another would take too much memory`;
      throw new CriError(Code.RESOURCE_EXHAUSTED, message);
    }
    return this.#shared(user, key, command);
  }

  #giveUpNative(reason: string): void {
    if (this.#native === undefined) return;
    const facts = { helper: this.#native, node: process.version, reason };
    this.#log.warn('the helper for port-forward cannot be used; a larger one takes its place', facts);
    this.#native = undefined;
  }

  #shared(user: object, key: string, command: readonly string[]): Promise<DialHelper> {
    let shared = this.#helpers.get(key);
    if (shared === undefined) {
      const forget = (): void => {
        if (this.#helpers.get(key) === started) this.#helpers.delete(key);
      };
      const helper = DialHelper.start(command, forget).then(async (helper) => {
        if (key === 'native') await helper.ready();
        return helper;
      });
      const started: SharedHelper = { helper, users: new Set() };
      helper.catch(forget);
      this.#helpers.set(key, started);
      shared = started;
    }
    shared.users.add(user);
    return shared.helper;
  }

  #release(user: object): void {
    for (const [key, { helper, users }] of this.#helpers) {
      if (!users.delete(user) || users.size > 0) continue;
      this.#helpers.delete(key);
      helper.then(
        (started) => started.end(),
        () => undefined,
      );
    }
  }
}

/** The number by which the kernel knows the namespace: the pid may be another process's tomorrow. */
function namespaceOf(pid: number): number {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino;
  } catch (error) {
    throw new CriError(Code.UNAVAILABLE, GONE, { cause: error });
  }
}
