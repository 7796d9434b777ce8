import { createHmac, timingSafeEqual } from 'node:crypto';
import { OWN_LABEL_PREFIX } from '../convert/text/labels.js';
import { NAME } from '../convert/text/names.js';
import type { ContainerCreateBody, ContainerInspect } from '../docker/types.js';
import type { SealKey } from './seal-key.js';

const SEAL_LABEL = `${OWN_LABEL_PREFIX}seal`;

/** What a seal that holds tells of a container. */
export interface Sealed {
  /** The name that cridock gave it; somebody may have renamed it since. */
  readonly name: string;
  /** The labels that cridock gave it, without those that Docker added of its image. */
  readonly labels: Record<string, string>;
}

/**
 * Tells the labels that cridock gave a container from those that an image or a user of Docker gave it. A label of its own lists
 * them and holds a code over them, the container's name and its image as it was named: nobody makes one without the node's
 * key, and one that is copied (`docker commit` keeps labels) does not fit another name or image.
 */
export class Seal {
  readonly #key: Pick<SealKey, 'key'>;

  constructor(key: Pick<SealKey, 'key'>) {
    this.#key = key;
  }

  /** The body with a seal on all of its labels. */
  onto(name: string, body: ContainerCreateBody): ContainerCreateBody {
    const labels = body.Labels ?? {};
    const keys = Object.keys(labels);
    const text = JSON.stringify({ code: this.#code(name, body.Image, labels).toString('base64url'), keys });
    return { ...body, Labels: { ...labels, [SEAL_LABEL]: text } };
  }

  /** What holds of the container by its seal; undefined without one, or with one of another container or another node. */
  open({ Name: dockerName, Config: config }: Pick<ContainerInspect, 'Name' | 'Config'>): Sealed | undefined {
    const all = new Map(Object.entries(config.Labels ?? {}));
    const seal = readSeal(all.get(SEAL_LABEL));
    if (seal === undefined) return undefined;
    const labels: Record<string, string> = {};
    for (const key of seal.keys) {
      const value = all.get(key);
      if (value === undefined) return undefined;
      labels[key] = value;
    }
    const names = new Set([dockerName.replace(/^\//, ''), labels[OWN_LABEL_PREFIX + NAME] ?? '']);
    for (const name of names) {
      const code = this.#code(name, config.Image, labels);
      if (code.length === seal.code.length && timingSafeEqual(code, seal.code)) return { name, labels };
    }
    return undefined;
  }

  #code(name: string, image: string, labels: Readonly<Record<string, string>>): Buffer {
    const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify([name, image, entries]);
    return createHmac('sha256', this.#key.key).update(text).digest();
  }
}

function readSeal(text: string | undefined): { code: Buffer; keys: string[] } | undefined {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    if (typeof value !== 'object' || value === null || !('code' in value) || !('keys' in value))
      return undefined;
    const { code, keys } = value;
    if (typeof code !== 'string' || !Array.isArray(keys)) return undefined;
    return { code: Buffer.from(code, 'base64url'), keys: keys.filter((key) => typeof key === 'string') };
  } catch {
    return undefined;
  }
}
