import type { ExecRequest } from '../../../../src/gen/runtime/v1/ExecRequest.js';
import type { BadRequest } from './row.js';
import { idRows, rows } from './row.js';
import type { World } from './world.js';

const bad = 'INVALID_ARGUMENT';
const STREAMS = { stdin: true, stdout: true, stderr: true, tty: false };

/** Combinations of streams that neither Exec nor Attach takes, and containers that they cannot serve. */
function streamRows<Request>(
  rpc: string,
  call: Parameters<typeof rows<Request>>[1],
  request: (world: World, change: ExecRequest) => Request,
): BadRequest[] {
  const none = { stdin: false, stdout: false, stderr: false };
  const table: [name: string, change: ExecRequest, names: string][] = [
    ['no streams', none, 'stdin'],
    ['a terminal alone', { ...none, tty: true }, 'stdin'],
    ['a terminal and stderr', { tty: true }, 'stderr'],
  ];
  return rows(rpc, call, [
    ...table.map(
      ([name, change, names]) =>
        ({ name, request: (world: World) => request(world, change), code: bad, names }) as const,
    ),
    {
      name: 'a container that has ended',
      request: (world) => request(world, { container_id: world.exited }),
      code: 'FAILED_PRECONDITION',
      names: 'container',
    },
  ]);
}

/** Commands that no kernel could run. */
function commandRows<Request>(
  rpc: string,
  call: Parameters<typeof rows<Request>>[1],
  request: (containerId: string, cmd: string[]) => Request,
): BadRequest[] {
  const table: [name: string, cmd: string[], names: string][] = [
    ['no command', [], 'cmd'],
    ['an empty program', ['', 'x'], 'cmd'],
    ['a NUL in an argument', ['echo', 'a\0b'], 'cmd[1]'],
  ];
  return rows(
    rpc,
    call,
    table.map(([name, cmd, names]) => ({
      name,
      request: ({ running }: World) => request(running, cmd),
      code: bad,
      names,
    })),
  );
}

/** Exec, Attach, PortForward and ExecSync. */
export const streamingRows = [
  ...idRows(
    'ExecSync',
    ({ runtime }) => runtime.ExecSync,
    'container_id',
    'NOT_FOUND',
    (id) => ({ container_id: id, cmd: ['true'] }),
  ),
  ...idRows(
    'Exec',
    ({ runtime }) => runtime.Exec,
    'container_id',
    'NOT_FOUND',
    (id) => ({ ...STREAMS, container_id: id, cmd: ['true'] }),
  ),
  ...idRows(
    'Attach',
    ({ runtime }) => runtime.Attach,
    'container_id',
    'NOT_FOUND',
    (id) => ({ ...STREAMS, container_id: id }),
  ),
  ...idRows(
    'PortForward',
    ({ runtime }) => runtime.PortForward,
    'pod_sandbox_id',
    'NOT_FOUND',
    (id) => ({ pod_sandbox_id: id }),
  ),

  ...commandRows(
    'ExecSync',
    ({ runtime }) => runtime.ExecSync,
    (id, cmd) => ({ container_id: id, cmd }),
  ),
  ...commandRows(
    'Exec',
    ({ runtime }) => runtime.Exec,
    (id, cmd) => ({ ...STREAMS, container_id: id, cmd }),
  ),
  ...streamRows(
    'Exec',
    ({ runtime }) => runtime.Exec,
    ({ running }, change) => ({ ...STREAMS, container_id: running, cmd: ['true'], ...change }),
  ),
  ...streamRows(
    'Attach',
    ({ runtime }) => runtime.Attach,
    ({ running }, change) => ({ ...STREAMS, container_id: running, ...change }),
  ),

  ...rows('ExecSync', ({ runtime }) => runtime.ExecSync, [
    {
      name: 'a negative timeout',
      request: ({ running }) => ({ container_id: running, cmd: ['true'], timeout: -1 }),
      code: bad,
      names: 'timeout',
    },
    {
      name: 'a timeout that no timer holds',
      request: ({ running }) => ({ container_id: running, cmd: ['true'], timeout: 2 ** 40 }),
      code: 'OK',
    },
    {
      name: 'a timeout that no number holds',
      request: ({ running }) => ({ container_id: running, cmd: ['true'], timeout: '9223372036854775807' }),
      code: bad,
      names: 'timeout',
    },
    {
      name: 'a program that is not there',
      request: ({ running }) => ({ container_id: running, cmd: ['/no/such'] }),
      code: 'UNKNOWN',
      names: 'cmd',
    },
    {
      name: 'a container that has ended',
      request: ({ exited }) => ({ container_id: exited, cmd: ['true'] }),
      code: 'FAILED_PRECONDITION',
      names: 'container',
    },
  ]),

  ...rows('PortForward', ({ runtime }) => runtime.PortForward, [
    ...[0, -1, 65_536].map(
      (port) =>
        ({
          name: `port ${port}`,
          request: ({ readySandbox }: World) => ({ pod_sandbox_id: readySandbox, port: [80, port] }),
          code: bad,
          names: 'port[1]',
        }) as const,
    ),
    {
      name: 'a sandbox that has stopped',
      request: ({ stoppedSandbox }) => ({ pod_sandbox_id: stoppedSandbox, port: [80] }),
      code: 'FAILED_PRECONDITION',
      names: 'sandbox',
    },
  ]),
];
