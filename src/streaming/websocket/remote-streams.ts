import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { WantedStreams } from '../../util/stream-request.js';
import type { TerminalSize } from '../../docker/types.js';
import { Code, CriError } from '../../util/cri-error.js';
import { statusObject, statusText } from '../outcome.js';
import type { Outcome } from '../outcome.js';
import { clientGone, endOf } from '../remote-streams.js';
import type { RemoteStreams } from '../remote-streams.js';
import { SizeReader } from '../terminal-sizes.js';
import { Channels } from './channels.js';
import type { ChannelForm } from './channels.js';

interface RemoteCommandForm extends ChannelForm {
  /** The outcome is a `Status` object, as since version 4; else plain text. */
  readonly statusObject: boolean;
}

const BINARY: RemoteCommandForm = { base64: false, closes: false, statusObject: false };

/** Kubernetes' remote command protocols over WebSocket; a client that names none gets the oldest. */
export const REMOTE_COMMAND_FORMS = {
  'v5.channel.k8s.io': { ...BINARY, closes: true, statusObject: true },
  'v4.channel.k8s.io': { ...BINARY, statusObject: true },
  'v4.base64.channel.k8s.io': { ...BINARY, base64: true, statusObject: true },
  'channel.k8s.io': BINARY,
  'base64.channel.k8s.io': { ...BINARY, base64: true },
  '': BINARY,
} as const satisfies Record<string, RemoteCommandForm>;
export type RemoteCommandSubprotocol = keyof typeof REMOTE_COMMAND_FORMS;

const CHANNELS = ['stdin', 'stdout', 'stderr', 'status', 'resize'] as const;

/** The streams of a session over WebSocket: there from the start. They are cut off when `stop` aborts. */
export function openWebSocketStreams(
  webSocket: WebSocket,
  socket: Duplex,
  protocol: RemoteCommandSubprotocol,
  wanted: WantedStreams,
  idleTimeoutMs: number,
  stop: AbortSignal,
): RemoteStreams {
  const form: RemoteCommandForm = REMOTE_COMMAND_FORMS[protocol];
  const cut = new AbortController();
  const channels = new Channels(webSocket, socket, {
    ...form,
    count: CHANNELS.length,
    idleTimeoutMs,
    onProblem: (problem) => cut.abort(new CriError(Code.CANCELLED, problem)),
    onClose: () => {
      stop.removeEventListener('abort', onStop);
      cut.abort(clientGone());
    },
  });
  const onStop = (): void => cut.abort(stop.reason);
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop);
  const channel = (name: (typeof CHANNELS)[number]): Duplex => channels.get(CHANNELS.indexOf(name));
  for (const name of CHANNELS) if (name !== 'stdin' || !wanted.stdin) channel(name).resume();
  // Kubernetes' servers tell clients this way that the connection stands.
  const first = wanted.stdout ? 'stdout' : wanted.stderr ? 'stderr' : 'status';
  channels.send(CHANNELS.indexOf(first), Buffer.alloc(0), () => undefined);
  return {
    stdin: wanted.stdin ? channel('stdin') : undefined,
    stdout: wanted.stdout ? channel('stdout') : undefined,
    stderr: wanted.stderr ? channel('stderr') : undefined,
    cut: cut.signal,
    onResize: (listener: (size: TerminalSize) => void) => {
      if (!wanted.tty) return;
      const reader = new SizeReader();
      channel('resize').on('data', (chunk: Buffer) => {
        const size = reader.push(chunk);
        if (size !== undefined) listener(size);
      });
    },
    finish: async (outcome: Outcome) => {
      const status = form.statusObject ? JSON.stringify(statusObject(outcome)) : statusText(outcome);
      await Promise.all([endOf(channel('stdout')), endOf(channel('stderr'))]);
      await endOf(channel('status'), status);
      channels.close();
    },
  };
}
