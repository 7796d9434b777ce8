import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import { responseError } from '../../src/docker/errors.js';
import type { ExecCreateBody, ExecInspect } from '../../src/docker/types.js';
import { frame } from './frames.js';

interface FakeExec {
  body: ExecCreateBody;
  state: ExecInspect;
}

/** The commands in FakeEngine's containers. Known are `/bin/echo`, `/bin/cat` and `/bin/false`. */
export class FakeExecs {
  readonly #execs = new Map<string, FakeExec>();

  create(body: ExecCreateBody): string {
    const id = randomBytes(32).toString('hex');
    this.#execs.set(id, { body, state: { Running: false, ExitCode: null, Pid: 0 } });
    return id;
  }

  start(id: string, pid: number): Duplex {
    const { body, state } = this.#exec(id);
    const [program = '', ...args] = body.Cmd;
    const isCat = program === '/bin/cat';
    const exit = (code: number): void => {
      Object.assign(state, { Running: false, ExitCode: code });
      connection.push(null);
    };
    const say = (bytes: Buffer): void => {
      connection.push(body.Tty ? bytes : frame(1, bytes));
    };
    const connection = endOfConnection(
      isCat ? say : () => undefined,
      isCat ? () => exit(0) : () => undefined,
    );
    Object.assign(state, { Running: true, Pid: pid });
    if (program === '/bin/echo') {
      say(Buffer.from(`${args.join(' ')}${body.Tty ? '\r' : ''}\n`));
      exit(0);
    } else if (program === '/bin/false') {
      exit(1);
    } else if (!isCat) {
      state.Pid = 0;
      say(Buffer.from(`OCI runtime exec failed: exec: "${program}": no such file or directory\r\n`));
      exit(127);
    }
    return connection;
  }

  inspect(id: string): ExecInspect {
    return { ...this.#exec(id).state };
  }

  #exec(id: string): FakeExec {
    const exec = this.#execs.get(id);
    if (exec === undefined) throw responseError(404, `No such exec instance: ${id}`);
    return exec;
  }
}

/** The connection to a process that reads what it is given and says nothing. */
export function silentProcess(): Duplex {
  return endOfConnection(
    () => undefined,
    () => undefined,
  );
}

function endOfConnection(onInput: (bytes: Buffer) => void, onEnd: () => void): Duplex {
  return new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      onInput(bytes);
      done();
    },
    final: (done) => {
      onEnd();
      done();
    },
  });
}
