import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { below, pick, type Random } from '../../support/hostile.js';
import { until } from '../../support/until.js';
import type { EngineRequest, Treatment } from './faulty-engine.js';
import { ONE_OBJECT_FAULTS } from './one-object-faults.js';
import { noDescriptorsLeft, stoppedWithSessions } from './process-faults.js';
import type { FaultNode, PluginFault } from './fault-node.js';
import { hostileImageLabels } from './foreign-labels.js';
import { engineCall, victim } from './victims.js';

/** One fault, ready to happen. */
export interface Fault {
  /** Its parameters, for the report. */
  readonly what: string;
  /** The one object that it befalls. */
  readonly culprit?: string;
  begin(): void | Promise<void>;
  /** The world is well again; cridock may have been killed and is started by the run. */
  end(): void | Promise<void>;
}

export interface FaultKind {
  readonly name: string;
  /** True where containers may end and be made anew; otherwise those that ran before run on as they are. */
  readonly endsContainers?: true;
  /** The fault ends cridock: `end` comes after that. */
  readonly kills?: true;
  /** While it lasts the node stays ready and reads of all other objects are as fast as ever. */
  readonly costsOthersNothing?: true;
  /** On an Engine whose containers outlive the daemon, or that is full of what others have left. */
  readonly engine?: 'live-restore' | 'crowded';
  /** Needs the library that is loaded into cridock. */
  readonly needsPreload?: true;
  make(node: FaultNode, random: Random): Fault;
}

/** How long the kubelet may take to delete a pod. */
const REMOVAL_TIMEOUT_MS = 20_000;

const isEvents = ({ path }: EngineRequest): boolean => /\/events(\?|$)/.test(path);
const isChange = ({ method }: EngineRequest): boolean => method === 'POST' || method === 'DELETE';

/** Engine calls of a share of all, or all, but not the event stream, which has kinds of its own. */
function engineFault(name: string, treatment: (random: Random) => Treatment): FaultKind {
  return {
    name,
    make: (node, random) => {
      const share = pick(random, [0.2, 0.5, 1]);
      const sample = treatment(random);
      return {
        what: `${share * 100} % of calls: ${JSON.stringify(sample)}`,
        begin: () => {
          node.proxy.treat = (request) =>
            !isEvents(request) && random() < share ? treatment(random) : undefined;
        },
        end: () => {
          node.proxy.treat = undefined;
          if (sample.kind === 'hung') node.proxy.cut();
        },
      };
    },
  };
}

function pluginFault(name: string, fault: PluginFault): FaultKind {
  return {
    name,
    make: (node, random) => {
      const plugin = pick(random, ['bridge', 'tuning']);
      return {
        what: plugin,
        begin: () => node.breakPlugin(plugin, fault),
        end: () => node.breakPlugin(plugin, undefined),
      };
    },
  };
}

/** GC hangs in one of the plugins, and is asked for at once: the configuration changes to the version that has it. */
const gcHangs: FaultKind = {
  name: 'CNI GC hangs',
  make: (node, random) => {
    const plugin = pick(random, ['bridge', 'tuning']);
    const text = readFileSync(node.cniConfig, 'utf8');
    return {
      what: plugin,
      begin: () => {
        node.breakPlugin(plugin, 'gc-hang');
        writeFileSync(node.cniConfig, text.replace('"cniVersion":"1.0.0"', '"cniVersion":"1.1.0"'));
        node.proxy.cutEvents(); // the list that follows is compared, and then GC is due
      },
      end: () => {
        node.breakPlugin(plugin, undefined);
        writeFileSync(node.cniConfig, text);
      },
    };
  },
};

/**
 * The network cannot take pods away. For how long makes no difference to cridock: only the kubelet tries again. A pod that
 * was detached before can be removed all the same.
 */
const delFails: FaultKind = {
  name: 'DEL fails for an hour',
  endsContainers: true,
  make: (node, random) => {
    const plugin = pick(random, ['bridge', 'tuning']);
    const sandboxIds = node.kubelet.parts('leaves').sandboxes.map(({ id }) => id);
    return {
      what: plugin,
      begin: async () => {
        for (const id of sandboxIds) await node.cridock.client.runtime.StopPodSandbox({ pod_sandbox_id: id });
        node.breakPlugin(plugin, 'del-fail');
      },
      end: async () => {
        const isGone = async (id: string): Promise<boolean> =>
          node.direct.inspectContainer(id).then(
            () => false,
            () => true,
          );
        for (const id of sandboxIds) {
          await until('a detached pod to be removed while DEL fails', () => isGone(id), REMOVAL_TIMEOUT_MS);
        }
        node.breakPlugin(plugin, undefined);
      },
    };
  },
};

/** What becomes of the network's configuration; it is put back in the end. */
function cniConfigFault(name: string, change: (path: string, random: Random) => string): FaultKind {
  return {
    name,
    make: (node, random) => {
      const text = readFileSync(node.cniConfig, 'utf8');
      let what = '';
      return {
        get what() {
          return what;
        },
        begin: () => void (what = change(node.cniConfig, random)),
        end: () => {
          rmSync(`${node.cniConfig}.aside`, { force: true });
          writeFileSync(node.cniConfig, text);
        },
      };
    },
  };
}

/** Damages files of a folder while cridock is down, and starts it again: so a crashed disk is found. */
function fileFault(
  name: string,
  folder: (node: FaultNode) => string,
  damage: (path: string, random: Random) => string,
): FaultKind {
  return {
    name,
    make: (node, random) => {
      const done: string[] = [];
      return {
        get what() {
          return done.join(', ');
        },
        begin: async () => {
          await node.cridock.kill9();
          const files = readdirSync(folder(node), { recursive: true, withFileTypes: true }).filter((entry) =>
            entry.isFile(),
          );
          for (const { parentPath, name: file } of files) {
            if (random() < 0.6) done.push(damage(join(parentPath, file), random));
          }
          await node.revive('by now');
        },
        end: () => undefined,
      };
    },
  };
}

function damageFile(path: string, random: Random): string {
  const bytes = readFileSync(path);
  switch (1 + below(random, 4)) {
    case 1:
      writeFileSync(path, '');
      return 'emptied';
    case 2:
      writeFileSync(path, bytes.subarray(0, below(random, bytes.length)));
      return 'cut short';
    case 3:
      writeFileSync(path, bytes.fill(0, below(random, bytes.length)));
      return 'zeroed from somewhere on';
    default:
      rmSync(path);
      return 'removed';
  }
}

/** JSON of another program, or of another pod, in the place of what is expected. */
function makeForeign(path: string, random: Random): string {
  const contents = [
    '[]',
    '{}',
    'null',
    '"text"',
    '{"version": "v9", "data": {"port_mappings": "none"}, "checksum": -1}',
  ] as const;
  writeFileSync(path, pick(random, contents));
  return 'foreign';
}

/** Somebody else works on a container through the Engine. */
function behindItsBack(
  name: string,
  work: (call: (method: string, path: string) => Promise<void>, id: string) => Promise<void>,
  undo: (call: (method: string, path: string) => Promise<void>, id: string) => Promise<void> = () =>
    Promise.resolve(),
  endsContainers?: true,
): FaultKind {
  return {
    name,
    ...(endsContainers && { endsContainers }),
    make: (node, random) => {
      const { id, name: kind } = victim(node, random);
      const call = (method: string, path: string): Promise<void> => engineCall(node, method, path);
      return { what: kind, begin: () => work(call, id), end: () => undo(call, id) };
    },
  };
}

function fillDisk(folder: string): void {
  try {
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(64 * 1024 * 1024));
  } catch {
    // what fits is written: that is the fault
  }
}

export const FAULT_KINDS: readonly FaultKind[] = [
  noDescriptorsLeft,
  stoppedWithSessions,
  {
    name: 'cridock killed after an Engine call',
    kills: true,
    make: (node, random) => {
      let left = 1 + below(random, 12);
      const reached = random() < 0.7;
      return {
        what: `call ${left}, ${reached ? 'carried out' : 'not sent'}`,
        begin: () => {
          node.proxy.treat = (request) => {
            if (!isChange(request) || (left -= 1) !== 0) return undefined;
            const kill = async () => node.cridock.kill9();
            if (reached) return { kind: 'then', run: kill };
            void kill();
            return { kind: 'hung', reaches: false };
          };
        },
        end: () => void (node.proxy.treat = undefined),
      };
    },
  },
  { ...pluginFault('cridock killed before a CNI step', 'kill-before'), kills: true },
  { ...pluginFault('cridock killed after a CNI step', 'kill-after'), kills: true },
  {
    name: 'cridock killed at a write of its state',
    kills: true,
    needsPreload: true,
    make: (node, random) => {
      const number = 1 + below(random, 10);
      const when = pick(random, ['before', 'after'] as const);
      return {
        what: `${when} change ${number} (create, write, fsync, rename, unlink)`,
        begin: () => node.killAtChange(number, when),
        end: () => rmSync(join(node.cridock.directory, 'kill-at'), { force: true }),
      };
    },
  },
  {
    name: 'dockerd restarted',
    endsContainers: true,
    make: (node) => ({ what: '', begin: () => node.engine.restart(), end: () => undefined }),
  },
  {
    name: 'dockerd restarted with live-restore',
    engine: 'live-restore',
    make: (node) => ({ what: '', begin: () => node.engine.restart(), end: () => undefined }),
  },
  engineFault('Engine slow', (random) => ({ kind: 'slow', ms: 200 + below(random, 2_000) })),
  engineFault('Engine answers 500', () => ({ kind: 'status', status: 500 })),
  engineFault('Engine cut in its answer', () => ({ kind: 'cut' })),
  engineFault('Engine answers garbage', () => ({ kind: 'garbage' })),
  engineFault('Engine hangs', (random) => ({ kind: 'hung', reaches: random() < 0.5 })),
  ...ONE_OBJECT_FAULTS,
  {
    name: 'a crowded node, cridock killed',
    engine: 'crowded',
    kills: true,
    make: (node) => ({ what: '', begin: () => node.cridock.kill9(), end: () => undefined }),
  },
  {
    name: 'event stream cut',
    make: (node, random) => {
      const times = 1 + below(random, 10);
      let timer: NodeJS.Timeout | undefined;
      return {
        what: `${times} times`,
        begin: () => {
          let left = times;
          timer = setInterval(() => {
            if ((left -= 1) < 0) clearInterval(timer);
            else node.proxy.cutEvents();
          }, 100);
        },
        end: () => clearInterval(timer),
      };
    },
  },
  {
    name: 'event stream silent',
    endsContainers: true,
    make: (node, random) => {
      const { id, name: kind } = victim(node, random);
      return {
        what: `a ${kind} is killed meanwhile`,
        begin: async () => {
          node.proxy.eventsAreSilent = true;
          await engineCall(node, 'POST', `/containers/${id}/kill`);
        },
        end: () => void (node.proxy.eventsAreSilent = false),
      };
    },
  },
  pluginFault('CNI plugin fails', 'fail'),
  pluginFault('CNI plugin hangs', 'hang'),
  pluginFault('CNI plugin prints garbage', 'garbage'),
  gcHangs,
  delFails,
  {
    name: 'CNI plugin missing',
    make: (node, random) => {
      const plugin = pick(random, ['bridge', 'tuning']);
      return {
        what: plugin,
        begin: () => node.setPluginPresent(plugin, false),
        end: () => node.setPluginPresent(plugin, true),
      };
    },
  },
  cniConfigFault('CNI configuration gone', (path) => {
    renameSync(path, `${path}.aside`);
    return 'renamed';
  }),
  cniConfigFault('CNI configuration changed', (path, random) => {
    const list = JSON.parse(readFileSync(path, 'utf8')) as { cniVersion: string; plugins: object[] };
    if (random() < 0.5) list.plugins.pop();
    else list.cniVersion = '0.4.0';
    writeFileSync(path, JSON.stringify(list));
    return list.cniVersion === '0.4.0' ? 'older version' : 'a plugin less';
  }),
  cniConfigFault('CNI configuration broken', (path, random) => {
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, random() < 0.5 ? text.slice(0, below(random, text.length)) : '{"plugins": 7}');
    return 'no valid list';
  }),
  {
    name: 'disk full',
    make: (node) => ({
      what: '',
      begin: () => fillDisk(node.stateDisk),
      end: () => rmSync(join(node.stateDisk, 'ballast'), { force: true }),
    }),
  },
  {
    name: 'state folder read-only',
    make: (node) => ({
      what: '',
      begin: () => void execFileSync('mount', ['-o', 'remount,ro', node.stateDisk]),
      end: () => void execFileSync('mount', ['-o', 'remount,rw', node.stateDisk]),
    }),
  },
  fileFault('checkpoints corrupt', (node) => node.stateDisk, damageFile),
  fileFault('checkpoints foreign', (node) => node.stateDisk, makeForeign),
  fileFault('CNI cache corrupt', (node) => node.cniCache, damageFile),
  behindItsBack(
    'container killed behind its back',
    (call, id) => call('POST', `/containers/${id}/kill`),
    undefined,
    true,
  ),
  behindItsBack(
    'container paused behind its back',
    (call, id) => call('POST', `/containers/${id}/pause`),
    (call, id) => call('POST', `/containers/${id}/unpause`),
  ),
  behindItsBack('container renamed behind its back', (call, id) =>
    call('POST', `/containers/${id}/rename?name=renamed-${id.slice(0, 12)}`),
  ),
  behindItsBack(
    'container removed behind its back',
    (call, id) => call('DELETE', `/containers/${id}?force=true`),
    undefined,
    true,
  ),
  {
    name: 'clock steps',
    needsPreload: true,
    make: (node, random) => {
      const seconds = pick(random, [-86_400, -3_600, -30, 30, 3_600, 86_400]);
      return {
        what: `${seconds} s and back`,
        begin: () => node.setClockAhead(seconds),
        end: () => node.setClockAhead(0),
      };
    },
  },
  hostileImageLabels,
];
