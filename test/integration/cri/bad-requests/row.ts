import type { CodeName } from '../../../../src/util/cri-error.js';
import type { CriCall, CriClient } from '../../../support/cri-client.js';
import type { World } from './world.js';
import { UNKNOWN_ID } from './world.js';

export interface Row<Request> {
  readonly name: string;
  readonly request: (world: World) => Request;
  readonly code: CodeName | 'OK';
  /** Part of the message: the field that is at fault, or the object. Left out for 'OK'. */
  readonly names?: string;
}

/** One request that the server must refuse, or take although it looks wrong. */
export interface BadRequest extends Omit<Row<unknown>, 'request'> {
  readonly rpc: string;
  readonly send: (client: CriClient, world: World) => Promise<unknown>;
}

const CALL_TIMEOUT_MS = 60_000;

/** The rows of one RPC. */
export function rows<Request>(
  rpc: string,
  call: (client: CriClient) => CriCall<Request, unknown>,
  table: readonly Row<Request>[],
): BadRequest[] {
  return table.map(({ request, ...row }) => ({
    ...row,
    rpc,
    send: (client, world) => call(client)(request(world), { timeoutMs: CALL_TIMEOUT_MS }),
  }));
}

type IdRow = readonly [name: string, id: (world: World) => string, code: CodeName | 'OK', names?: string];

/** What every RPC on one object does with ids that are no good. */
export function idRows<Request>(
  rpc: string,
  call: (client: CriClient) => CriCall<Request, unknown>,
  field: 'pod_sandbox_id' | 'container_id',
  unknown: 'OK' | 'NOT_FOUND',
  request: (id: string) => Request,
): BadRequest[] {
  const table: IdRow[] = [
    ['an empty id', () => '', 'INVALID_ARGUMENT', field],
    ['an unknown id', () => UNKNOWN_ID, unknown, UNKNOWN_ID],
    ['a path as id', () => '../../etc/passwd', unknown, '../../etc/passwd'],
    ['an oversized id', () => 'a'.repeat(100_000), 'INVALID_ARGUMENT', field],
    [
      'an ambiguous id',
      (world) => (field === 'container_id' ? world.ambiguousContainer : world.ambiguousSandbox),
      'INVALID_ARGUMENT',
      field,
    ],
  ];
  return rows(
    rpc,
    call,
    table.map(([name, id, code, names]) => ({
      name,
      request: (world: World) => request(id(world)),
      code,
      ...(code !== 'OK' && names !== undefined && { names }),
    })),
  );
}
