import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config } from '../cli/config.js';
import { usesContainerdStore } from '../convert/engine-info.js';
import { KIND_LABEL } from '../convert/text/labels.js';
import type { Engine } from '../docker/engine.js';
import { API_WINDOW } from '../docker/api-version.js';
import type { EngineInfo } from '../docker/types.js';
import { forEachLimited } from '../util/concurrency.js';
import { Code, hasCode, messageOf } from '../util/cri-error.js';
import { failure, ok, settingRemedy, shellWord, warning, type Finding } from './finding.js';

/** Graph drivers and snapshotters that are fit for a node. */
const GOOD_STORAGE = ['overlay2', 'overlayfs', 'fuse-overlayfs', 'btrfs', 'zfs', 'stargz', 'nydus'];

const DAEMON_FILE = '/etc/docker/daemon.json';
const MAX_CLOCK_SKEW_MS = 5_000;
const INSPECTS_AT_A_TIME = 8;
const INSPECT_TIMEOUT_MS = 5_000;

/** What can be asked of the Engine: its version, settings and images. */
export async function checkEngine(engine: Engine, config: Config): Promise<Finding[]> {
  try {
    const { apiVersion, version } = await engine.negotiate();
    const info = await engine.info();
    return [
      ok('engine', `Docker Engine ${version.Version} answers, API ${apiVersion} is spoken`),
      checkStorage(info),
      checkLogDriver(info, config),
      await checkLiveRestore(info, DAEMON_FILE),
      checkEngineClock(info),
      await checkPauseImage(engine, config.podInfraContainerImage),
      await checkObjects(engine),
    ];
  } catch (error) {
    return [failure('engine', messageOf(error), remedyFor(error, config))];
  }
}

/** What stands in the way decides: an Engine that is there needs no start. */
function remedyFor(error: unknown, { dockerEndpoint }: Config): string {
  const message = messageOf(error);
  if (hasCode(error, Code.FAILED_PRECONDITION)) {
    return `apt-get install --only-upgrade docker-ce # an Engine that speaks an API version from ${API_WINDOW.min} to ${API_WINDOW.max}`;
  }
  if (/EACCES|EPERM/.test(message)) return 'sudo cridock doctor';
  if (/containerd|crio/.test(dockerEndpoint)) {
    return `grep -rl ${shellWord(dockerEndpoint)} /etc/cridock /etc/systemd/system | xargs sed -i 's#${dockerEndpoint}#unix:///var/run/docker.sock#' && systemctl daemon-reload && systemctl restart cri-docker.service`;
  }
  return 'systemctl start docker';
}

/** Without it all containers end when the Engine is restarted or upgraded. */
export async function checkLiveRestore(
  { LiveRestoreEnabled: isOn, Swarm }: EngineInfo & { Swarm?: { LocalNodeState?: string } },
  daemonFile: string,
): Promise<Finding> {
  if (isOn) return ok('live-restore', 'containers live on while the Engine is restarted');
  if (Swarm?.LocalNodeState === 'active')
    return ok('live-restore', 'the Engine is in a swarm, which excludes it');
  const text = (await readFile(daemonFile, 'utf8').catch(() => '')).trim();
  const write =
    text === '' || /^\{\s*\}$/.test(text)
      ? `mkdir -p ${dirname(daemonFile)} && echo '{"live-restore": true}' >${daemonFile}`
      : /"live-restore"\s*:\s*false/.test(text)
        ? `sed -i 's/"live-restore"[[:space:]]*:[[:space:]]*false/"live-restore": true/' ${daemonFile}`
        : `sed -i '0,/{/s//{"live-restore": true,/' ${daemonFile}`;
  return warning(
    'live-restore',
    'all containers end when the Engine is restarted or upgraded (live-restore is off)',
    `${write} && systemctl reload docker`,
  );
}

function checkStorage(info: EngineInfo): Finding {
  const store = usesContainerdStore(info) ? 'containerd image store' : 'graph driver';
  const message = `images are stored with ${info.Driver} (${store})`;
  if (GOOD_STORAGE.includes(info.Driver)) return ok('storage-driver', message);
  return warning(
    'storage-driver',
    `${message}, which is slow or no longer maintained`,
    `cat ${DAEMON_FILE} # on a new node, "storage-driver": "overlay2" there; what is stored now is not converted`,
  );
}

function checkLogDriver({ LoggingDriver: driver }: EngineInfo, config: Config): Finding {
  const isLinked = config.containerLogMode === 'symlink';
  const usesDaemons = config.containerLogDriver === 'daemon' || config.containerLogDriver === 'auto';
  if (isLinked && usesDaemons && driver !== 'json-file') {
    return failure(
      'log-driver',
      `--container-log-mode=symlink needs json-file logs, and the Engine's log driver is ${driver}`,
      settingRemedy('containerLogDriver', 'json-file'),
    );
  }
  return ok(
    'log-driver',
    isLinked ? "logs are links to Docker's json-file logs" : 'logs are written by cridock',
  );
}

function checkEngineClock({ SystemTime: systemTime = '' }: EngineInfo): Finding {
  const skewMs = Math.abs(Date.parse(systemTime) - Date.now());
  if (!(skewMs > MAX_CLOCK_SKEW_MS)) return ok('engine-clock', "the Engine's clock agrees with this one");
  return warning(
    'engine-clock',
    `the Engine's clock differs by ${Math.round(skewMs / 1000)} s from this one`,
    'systemctl enable --now systemd-timesyncd # on the machine that the Engine runs on, which should be this one',
  );
}

async function checkPauseImage(engine: Engine, image: string): Promise<Finding> {
  try {
    await engine.inspectImage(image);
    return ok('pause-image', `${image} is there`);
  } catch (error) {
    if (!hasCode(error, Code.NOT_FOUND)) throw error;
    return warning(
      'pause-image',
      `${image} is not there: the first pod waits for its pull`,
      `docker pull ${shellWord(image)}`,
    );
  }
}

/** The Engine has objects that it lists and cannot tell of, as when a disk has lost the layer of a container. */
async function checkObjects(engine: Engine): Promise<Finding> {
  const listed = await engine.listContainers([KIND_LABEL]);
  const unreadable: string[] = [];
  await forEachLimited(listed, INSPECTS_AT_A_TIME, async ({ Id: id }) => {
    try {
      await engine.inspectContainer(id, { signal: AbortSignal.timeout(INSPECT_TIMEOUT_MS) });
    } catch (error) {
      if (!hasCode(error, Code.NOT_FOUND)) unreadable.push(`${id}: ${messageOf(error)}`);
    }
  });
  if (unreadable.length === 0)
    return ok('objects', `all ${listed.length} pod sandboxes and containers can be read`);
  return warning(
    'objects',
    `${unreadable.length} of ${listed.length} pod sandboxes and containers cannot be read; ${unreadable.join('; ')}`,
    "see the Engine's log for the reason; crictl rm -f, or docker rm -f, takes one away for good",
  );
}
