import type { IncomingMessage } from 'node:http';
import { Code, CriError } from '../util/cri-error.js';
import type { EngineVersion } from './types.js';

/** The Engine API versions that cridock speaks, both ends included: Engine 20.10 to 29.x. */
export const API_WINDOW = { min: '1.41', max: '1.55' } as const;

/** Negative, zero or positive as version `a` is older than, equal to or newer than `b`; `1.9` is older than `1.41`. */
export function compareApiVersions(a: string, b: string): number {
  const [majorA, minorA] = parse(a);
  const [majorB, minorB] = parse(b);
  return majorA - majorB || minorA - minorB;
}

/**
 * The newest API version that both sides speak. The minimum is read from the Engine itself: an operator may move it
 * (`DOCKER_MIN_API_VERSION`), and Engine 29.0 to 29.2 had a higher one than 29.3.
 * Throws FAILED_PRECONDITION when the ranges do not overlap or the answer holds no version.
 */
export function pickApiVersion(engine: EngineVersion): string {
  const { ApiVersion: max, MinAPIVersion: min = max } = engine;
  if (compareApiVersions(max, API_WINDOW.min) < 0 || compareApiVersions(min, API_WINDOW.max) > 0) {
    throw new CriError(
      Code.FAILED_PRECONDITION,
      `Docker Engine ${engine.Version} speaks API ${min} to ${max}, cridock speaks ${API_WINDOW.min} to ${API_WINDOW.max}`,
    );
  }
  return compareApiVersions(max, API_WINDOW.max) < 0 ? max : API_WINDOW.max;
}

/** The version that an answer's `Api-Version` header names. It is looked up in the text, since to parse all headers takes longer. */
export function apiVersionHeader({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): string | undefined {
  // Names and values in turn.
  const isName = (text: string, index: number) => index % 2 === 0 && text.toLowerCase() === 'api-version';
  const index = rawHeaders.findIndex(isName);
  return index === -1 ? undefined : rawHeaders[index + 1];
}

function parse(version: string): [number, number] {
  const match = /^(\d+)\.(\d+)$/.exec(version);
  if (match === null) {
    throw new CriError(Code.FAILED_PRECONDITION, `"${version}" is not a Docker Engine API version`);
  }
  return [Number(match[1]), Number(match[2])];
}
