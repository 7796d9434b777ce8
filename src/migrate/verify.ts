import { connectToCri } from '../client/cri-client.js';
import { messageOf } from '../util/cri-error.js';
import { socketOf, type Endpoint } from '../util/endpoint.js';

/** systemd holds back the connections to its socket until the service takes them. */
const TIMEOUT_MS = 30_000;

/** Resolves when the service answers on its socket as the kubelet would ask it; rejects with the reason. */
export async function untilServes(endpoint: Endpoint): Promise<void> {
  const path = socketOf(endpoint);
  const client = connectToCri(path, TIMEOUT_MS);
  try {
    await client.call('Version', { version: 'v1' });
  } catch (error) {
    throw new Error(`${path} does not answer: ${messageOf(error)}`, { cause: error });
  } finally {
    client.close();
  }
}
