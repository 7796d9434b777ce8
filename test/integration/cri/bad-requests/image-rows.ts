import type { AuthConfig } from '../../../../src/gen/runtime/v1/AuthConfig.js';
import type { ImageSpec } from '../../../../src/gen/runtime/v1/ImageSpec.js';
import type { CriCall, CriClient } from '../../../support/cri-client.js';
import type { BadRequest } from './row.js';
import { rows } from './row.js';

const bad = 'INVALID_ARGUMENT';

/** Stands in for a secret: no message and no log line may hold it. */
export const SECRET = 'c2VjcmV0LXdpdGhvdXQtY29sb24=';

/** The RPCs of ImageService, and UpdateRuntimeConfig. */
export const imageRows = [
  ...badReferences('PullImage', ({ image }) => image.PullImage),
  ...badReferences('ImageStatus', ({ image }) => image.ImageStatus),
  ...badReferences('RemoveImage', ({ image }) => image.RemoveImage),

  ...rows('PullImage', ({ image }) => image.PullImage, [
    badAuth('a login that is not base64', { auth: `*${SECRET}*` }),
    badAuth('a login without a password', { auth: SECRET }),
    badAuth('a login that is not UTF-8', { auth: Buffer.from([0x61, 0x3a, 0xff]).toString('base64') }),
  ]),
  ...rows('ImageStatus', ({ image }) => image.ImageStatus, [
    { name: 'an unknown name', request: () => ({ image: { image: 'localhost/no/such:image' } }), code: 'OK' },
    { name: 'an unknown id', request: () => ({ image: { image: `sha256:${'0'.repeat(64)}` } }), code: 'OK' },
  ]),
  ...rows('RemoveImage', ({ image }) => image.RemoveImage, [
    { name: 'an unknown name', request: () => ({ image: { image: 'localhost/no/such:image' } }), code: 'OK' },
    { name: 'an unknown id', request: () => ({ image: { image: `sha256:${'0'.repeat(64)}` } }), code: 'OK' },
  ]),
  ...rows('ListImages', ({ image }) => image.ListImages, [
    {
      name: 'an unknown name',
      request: () => ({ filter: { image: { image: 'localhost/no/such:image' } } }),
      code: 'OK',
    },
    { name: 'an empty filter', request: () => ({ filter: { image: {} } }), code: 'OK' },
  ]),

  ...rows('UpdateRuntimeConfig', ({ runtime }) => runtime.UpdateRuntimeConfig, [
    { name: 'nothing', request: () => ({}), code: 'OK' },
    { name: 'no pod CIDR', request: () => ({ runtime_config: { network_config: {} } }), code: 'OK' },
    ...['not-a-cidr', '10.0.0.0', '10.0.0.0/33', '300.0.0.0/8', 'fd00::/129', '10.0.0.0/8,'].map(
      (podCidr) =>
        ({
          name: `pod CIDR "${podCidr}"`,
          request: () => ({ runtime_config: { network_config: { pod_cidr: podCidr } } }),
          code: bad,
          names: 'runtime_config.network_config.pod_cidr',
        }) as const,
    ),
  ]),
];

function badReferences(
  rpc: string,
  call: (client: CriClient) => CriCall<{ image?: ImageSpec | null }, unknown>,
): BadRequest[] {
  return rows(rpc, call, [
    { name: 'no image', request: () => ({}), code: bad, names: 'image' },
    { name: 'an empty image', request: () => ({ image: {} }), code: bad, names: 'image.image' },
    ...[
      'No Capitals',
      'a b',
      'a:::b',
      '/a',
      'a//b',
      'a@sha256:00',
      `a:${'t'.repeat(129)}`,
      `localhost/${'a'.repeat(100_000)}`,
      'a\0b',
    ].map(
      (reference) =>
        ({
          name: `image ${JSON.stringify(reference.slice(0, 40))}`,
          request: () => ({ image: { image: reference } }),
          code: bad,
          names: 'image.image',
        }) as const,
    ),
  ]);
}

function badAuth(name: string, auth: AuthConfig) {
  return {
    name,
    request: () => ({ image: { image: 'localhost:1/a:b' }, auth }),
    code: bad,
    names: 'auth.auth',
  } as const;
}
