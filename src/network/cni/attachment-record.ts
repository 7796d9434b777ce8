import type { Attachment } from './attachment.js';
import { isJsonObject, parseJsonObject } from './json-object.js';
import { parseNetworkList } from './network-config.js';

/** libcni's, of its cache. */
const KIND = 'cniCacheV1';

/** The text of a record. */
export function serializeAttachment(attachment: Attachment): string {
  const { network, containerId, ifName, netnsPath, cniArgs, capabilityArgs, result } = attachment;
  return JSON.stringify({
    kind: KIND,
    containerId,
    config: Buffer.from(network.text).toString('base64'),
    ifName,
    networkName: network.name,
    netns: netnsPath === '' ? undefined : netnsPath,
    cniArgs,
    capabilityArgs: Object.keys(capabilityArgs).length === 0 ? undefined : capabilityArgs,
    result,
  });
}

/** Throws an Error that says what is wrong for text that is no record. */
export function parseAttachment(text: string): Attachment {
  const record = parseJsonObject(text);
  const { kind, containerId, config, ifName, netns, cniArgs, capabilityArgs, result } = record;
  if (kind !== KIND) throw new Error(`kind is not ${KIND}`);
  if (typeof containerId !== 'string' || typeof ifName !== 'string' || typeof config !== 'string') {
    throw new Error('containerId, ifName or config is missing');
  }
  return {
    network: parseNetworkList(Buffer.from(config, 'base64').toString()),
    containerId,
    ifName,
    netnsPath: typeof netns === 'string' ? netns : '',
    cniArgs: isPairs(cniArgs) ? cniArgs : [],
    capabilityArgs: isJsonObject(capabilityArgs) ? capabilityArgs : {},
    result: isJsonObject(result) ? result : undefined,
  };
}

function isPairs(value: unknown): value is [string, string][] {
  return (
    Array.isArray(value) &&
    value.every(
      (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((item) => typeof item === 'string'),
    )
  );
}
