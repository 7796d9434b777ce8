import type { Config } from '../cli/config.js';
import { usesContainerdStore } from '../convert/engine-info.js';
import type { Engine } from '../docker/engine.js';
import { API_WINDOW } from '../docker/negotiate.js';
import type { EngineInfo } from '../docker/types.js';
import { Code, hasCode, messageOf } from '../util/cri-error.js';
import { failure, ok, warning, type Finding } from './finding.js';

/** Graph drivers and snapshotters that are fit for a node. */
const GOOD_STORAGE = ['overlay2', 'overlayfs', 'fuse-overlayfs', 'btrfs', 'zfs', 'stargz', 'nydus'];

const MAX_CLOCK_SKEW_MS = 5_000;

/** What can be asked of the Engine: its version, settings and images. */
export async function checkEngine(engine: Engine, config: Config): Promise<Finding[]> {
  try {
    const { apiVersion, version } = await engine.negotiate();
    const info = await engine.info();
    return [
      ok('engine', `Docker Engine ${version.Version} answers, API ${apiVersion} is spoken`),
      checkStorage(info),
      checkLogDriver(info, config),
      checkEngineClock(info),
      await checkPauseImage(engine, config.podInfraContainerImage),
    ];
  } catch (error) {
    if (hasCode(error, Code.FAILED_PRECONDITION)) {
      const remedy = `install an Engine that speaks an API version from ${API_WINDOW.min} to ${API_WINDOW.max}`;
      return [failure('engine', messageOf(error), remedy)];
    }
    const remedy = 'start it (systemctl start docker), or say with --docker-endpoint where it listens';
    return [failure('engine', messageOf(error), remedy)];
  }
}

function checkStorage(info: EngineInfo): Finding {
  const store = usesContainerdStore(info) ? 'containerd image store' : 'graph driver';
  const message = `images are stored with ${info.Driver} (${store})`;
  if (GOOD_STORAGE.includes(info.Driver)) return ok('storage-driver', message);
  return warning(
    'storage-driver',
    `${message}, which is slow or no longer maintained`,
    'set "storage-driver": "overlay2" in /etc/docker/daemon.json on a new node; what is stored now is not converted',
  );
}

function checkLogDriver({ LoggingDriver: driver }: EngineInfo, config: Config): Finding {
  const isLinked = config.containerLogMode === 'symlink';
  const usesDaemons = config.containerLogDriver === 'daemon' || config.containerLogDriver === 'auto';
  if (isLinked && usesDaemons && driver !== 'json-file') {
    return failure(
      'log-driver',
      `--container-log-mode=symlink needs json-file logs, and the Engine's log driver is ${driver}`,
      'give --container-log-driver=json-file, or --container-log-mode=cri',
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
    'run cridock on the machine that the Engine runs on, and let its clock be set by NTP',
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
      `docker pull ${image}, or name another with --pod-infra-container-image`,
    );
  }
}
