import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A server inside a pod's network namespace. */
export interface NetnsServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** What a connection is answered: its own bytes, after the client's end the word "end"; or at once a banner, and the end. */
const BEHAVIOURS = {
  echo: `socket => { socket.on('data', d => { if (!socket.write(d)) { socket.pause(); socket.once('drain', () => socket.resume()); } });
    socket.on('end', () => socket.end('end')); }`,
  banner: `socket => socket.end('banner')`,
  abrupt: `socket => socket.once('data', () => socket.resetAndDestroy())`,
};

/** Starts a server on `host` in the namespace of this process. */
export async function serveInNetns(
  pid: number,
  host: string,
  behaviour: keyof typeof BEHAVIOURS = 'echo',
): Promise<NetnsServer> {
  const script = `require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined); (${BEHAVIOURS[behaviour]})(socket); })
    .listen(0, process.argv[1], function () { console.log(this.address().port); });`;
  const args = ['--target', String(pid), '--net', '--', process.execPath, '-e', script, host];
  const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = (await Promise.race([once(child.stdout, 'data'), exited])) as [Buffer];
  return {
    port: Number(line.toString()),
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
