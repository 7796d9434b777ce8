import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Pod } from './api.js';
import { kubectlArguments, kubectlProgram } from './cluster.js';

/** A `kubectl port-forward` that runs. */
export interface PortForward {
  /** Of this machine. */
  readonly port: number;
  /** What it has complained about. */
  errors(): string;
  close(): Promise<void>;
}

/** Starts it and waits until it listens. */
export async function portForward(
  pod: Pod,
  port: number,
  env: Record<string, string> = {},
): Promise<PortForward> {
  const { name, namespace } = pod.metadata;
  const args = [...kubectlArguments, '-n', namespace, 'port-forward', name, `:${port}`];
  const child = spawn(kubectlProgram, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const local = await new Promise<number>((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const found = /127\.0\.0\.1:(\d+)/.exec(output);
      if (found) resolve(Number(found[1]));
    });
    child.on('error', reject).on('exit', () => reject(new Error(`port-forward ended: ${errors}`)));
  });
  return { port: local, errors: () => errors, close: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}

/** Sends this to a server that echoes, and waits for its echo; the connection stays open until it is ended. */
export async function holdEcho(
  port: number,
  data: string,
  host = '127.0.0.1',
): Promise<{ readonly echo: string; readonly end: () => void }> {
  const socket = connect({ port, host });
  let echo = '';
  await new Promise<void>((resolve, reject) => {
    socket.setEncoding('utf8').on('data', (text: string) => {
      echo += text;
      if (echo.length >= data.length) resolve();
    });
    socket.on('error', reject).on('close', resolve);
    socket.write(data);
  });
  return { echo, end: () => void socket.destroy() };
}

/** Sends this, ends the sending side, and answers all that comes back. */
export async function converse(port: number, data: string | Buffer, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('end', resolve).on('error', reject).on('close', resolve);
  });
  socket.end(data);
  await ended;
  socket.destroy();
  return Buffer.concat(chunks).toString();
}
