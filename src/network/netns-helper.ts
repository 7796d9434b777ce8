import { messageOf } from '../util/cri-error.js';
import { connectLocal } from './connect-local.js';
import { isDialRequest } from './netns-protocol.js';
import type { DialReply, DialRequest } from './netns-protocol.js';

/**
 * A process of its own, started by `netns-dialer.ts` inside a pod's network namespace: it makes connections there and
 * hands them back. It ends with its parent.
 */
async function serve({ id, port }: DialRequest): Promise<void> {
  try {
    const socket = await connectLocal(port);
    // Should the parent be gone, so is this process in a moment.
    socket.on('error', () => undefined);
    process.send?.({ id } satisfies DialReply, socket, {}, () => undefined);
  } catch (error) {
    process.send?.({ id, error: messageOf(error) } satisfies DialReply);
  }
}

process.on('message', (message) => {
  if (isDialRequest(message)) void serve(message);
});
process.on('disconnect', () => process.exit(0));
// Node would open its debugger, here to the processes of the pod.
process.on('SIGUSR1', () => undefined);
