import { createHash } from 'node:crypto';
import { responseError } from '../../src/docker/errors.js';
import type { ImageInspect, ImageListEntry } from '../../src/docker/types.js';

const IMAGE_BYTES = 1_000_000;

/** The images of a `FakeEngine`: one name each, and ids and digests made of the names. */
export class FakeImages {
  readonly #images = new Map<string, ImageInspect>();

  add(reference: string): string {
    const name = familiar(reference);
    const id = `sha256:${sha256(name)}`;
    const byDigest = name.includes('@');
    const repository = name.replace(/:[^:/]*$/, '');
    this.#images.set(id, {
      Id: id,
      RepoTags: byDigest ? [] : [name],
      RepoDigests: [byDigest ? name : `${repository}@sha256:${sha256(`manifest of ${name}`)}`],
      Size: IMAGE_BYTES,
      Created: new Date().toISOString(),
      Architecture: 'amd64',
      Os: 'linux',
      Config: { User: '', Env: [], Cmd: ['/bin/sh'], Entrypoint: null, WorkingDir: '', Labels: null },
      RootFS: { Type: 'layers', Layers: [`sha256:${sha256(`layer of ${name}`)}`] },
    });
    return id;
  }

  /** By id, tag or digest. Throws NOT_FOUND as the Engine does. */
  get(reference: string): ImageInspect {
    const name = familiar(reference);
    const image =
      this.#images.get(reference) ??
      [...this.#images.values()].find(
        ({ RepoTags, RepoDigests }) =>
          RepoTags?.includes(name) === true || RepoDigests?.includes(name) === true,
      );
    if (image === undefined) throw responseError(404, `No such image: ${name}`);
    return image;
  }

  list(): ImageListEntry[] {
    return [...this.#images.values()].map(({ Id, RepoTags, RepoDigests, Size, Created = '' }) => ({
      Id,
      RepoTags,
      RepoDigests,
      Size,
      Created: Math.floor(Date.parse(Created) / 1000),
    }));
  }

  remove(id: string): void {
    this.#images.delete(id);
  }
}

/** The Engine's own short form of a reference: without Docker Hub's host, with a tag. */
export function familiar(reference: string): string {
  const name = reference.replace(/^docker\.io\/(library\/)?/, '');
  return /@|:[^/]+$/.test(name) ? name : `${name}:latest`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
