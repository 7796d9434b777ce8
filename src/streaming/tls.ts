import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

interface KeyPair {
  cert: Buffer;
  key: Buffer;
}

/** The certificate of the streaming server, taken anew from its files when they change. */
export class TlsKeyPair {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  #stamp: string;
  readonly first: KeyPair;

  /** Throws Node's error when the files cannot be read. */
  constructor(files: TlsFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#stamp = this.#readStamp();
    this.first = this.#read();
  }

  /** What the files hold now if they changed since the last call and fit each other; the old pair stays in use else. */
  changed(): KeyPair | undefined {
    try {
      const stamp = this.#readStamp();
      if (stamp === this.#stamp) return undefined;
      const pair = this.#read();
      createSecureContext(pair);
      this.#stamp = stamp;
      this.#log.info('took over a new streaming certificate', { certFile: this.#files.certFile });
      return pair;
    } catch (error) {
      this.#log.warn('the streaming certificate cannot be read anew', { error: messageOf(error) });
      return undefined;
    }
  }

  #readStamp(): string {
    const { certFile, keyFile } = this.#files;
    return [certFile, keyFile]
      .map((file) => statSync(file))
      .map(({ mtimeMs, ino }) => `${mtimeMs} ${ino}`)
      .join(' ');
  }

  #read(): KeyPair {
    return { cert: readFileSync(this.#files.certFile), key: readFileSync(this.#files.keyFile) };
  }
}
