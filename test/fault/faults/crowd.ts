import { forEachLimited } from '../../../src/util/concurrency.js';
import { dockerRequest, type DockerAnswer } from '../../support/docker-request.js';

const AT_A_TIME = 4;

/** Leaves so many stopped containers and as many images on an Engine, none of which a CRI server has made. */
export async function crowd(socketPath: string, size: number): Promise<void> {
  const request = async (path: string, body: object): Promise<DockerAnswer> => {
    const answer = await dockerRequest(`unix://${socketPath}`, 'POST', path, body);
    if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${answer.body}`);
    return answer;
  };
  const numbers = Array.from({ length: size }, (_, index) => index);
  await forEachLimited(numbers, AT_A_TIME, async (number) => {
    const container = {
      Image: 'busybox:latest',
      Cmd: ['true'],
      Labels: { leftover: String(number) },
      HostConfig: { NetworkMode: 'none' },
    };
    const { body } = await request(`/containers/create?name=leftover-${number}`, container);
    const { Id: id } = JSON.parse(body) as { Id: string };
    await request(`/commit?container=${id}&repo=leftover&tag=${number}`, {});
  });
}
