import type { EngineInfo } from '../../src/docker/types.js';

/** What an Engine may say of itself, for tests that add what they are about. */
export const ENGINE_INFO: EngineInfo = {
  ID: 'x',
  Driver: 'overlay2',
  DockerRootDir: '/var/lib/docker',
  CgroupDriver: 'systemd',
  DefaultRuntime: 'runc',
  LoggingDriver: 'local',
  KernelVersion: '6.1',
  ServerVersion: '28.5.2',
};
