import type { Config } from '../cli/config.js';
import type { ReloadableConfig } from '../cli/reload.js';
import { readBuildInfo } from '../cli/version.js';
import { pinnedBy } from '../convert/image/pinned-images.js';
import type { CriSettings } from '../cri/deps.js';
import { sandboxImageAuth } from '../cri/sandbox/image-auth.js';
import { lowestOomScoreAdj } from '../limits/oom-score-limit.js';

/** The settings that RPCs look at, and the way to change those that may change while cridock runs. */
export interface LiveSettings {
  readonly settings: CriSettings;
  apply(change: Partial<ReloadableConfig>): void;
}

/** Looks up what the node allows where the configuration leaves it open. */
export async function buildSettings(config: Config): Promise<LiveSettings> {
  let live: ReloadableConfig = config;
  let isPinned = pinnedIn(config.podInfraContainerImage, live);
  const settings: CriSettings = {
    cridockVersion: readBuildInfo().version,
    podInfraContainerImage: config.podInfraContainerImage,
    get containerLogs() {
      return {
        mode: live.containerLogMode,
        driver: live.containerLogDriver,
        maxSize: live.containerLogMaxSize,
        maxFiles: live.containerLogMaxFiles,
      };
    },
    sandboxImageAuth: () =>
      sandboxImageAuth(config.podInfraContainerImage, config.podInfraContainerImageAuth),
    restoreCheckpoints: config.restoreCheckpoints,
    networkAhead: config.networkAhead,
    minOomScoreAdj: await lowestOomScoreAdj(config.restrictOomScoreAdj),
    get imagePullProgressDeadlineMs() {
      return live.imagePullProgressDeadlineMs;
    },
    isPinned: (fullName) => isPinned(fullName),
  };
  return {
    settings,
    apply: (change) => {
      live = { ...live, ...change };
      isPinned = pinnedIn(config.podInfraContainerImage, live);
    },
  };
}

function pinnedIn(podInfraContainerImage: string, { pinnedImages }: ReloadableConfig) {
  return pinnedBy([podInfraContainerImage, ...pinnedImages]);
}
