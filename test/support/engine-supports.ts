import { DockerodeEngine } from '../../src/docker/dockerode-engine.js';
import { silentLogger } from '../../src/util/log.js';
import { testDockerEndpoint } from './cridock-process.js';

/** Whether the Engine under test speaks this API version. */
export async function testEngineSupports(apiVersion: string): Promise<boolean> {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  try {
    await engine.negotiate();
    return engine.supports(apiVersion);
  } finally {
    engine.close();
  }
}
