import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeRequest } from '../../../src/server/decode-request.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { protocol } from '../../support/cri-fixture.js';

const method = [...protocol.runtime, ...protocol.image].find(({ rpc }) => rpc === 'RunPodSandbox');
assert.ok(method);
const decode = (bytes: Buffer): object => method.decode(bytes);

/** A field with the wire type of strings and messages. */
function field(number: number, ...content: (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(content.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

const BAD = Buffer.from([0x61, 0xff, 0x62]);
const HALF_SURROGATE = Buffer.from([0xed, 0xa0, 0x80]);
const GENUINE = '\ufffd';

// RunPodSandboxRequest: config 1 (metadata 1 (name 1), hostname 2, labels 6 (key 1, value 2), dns_config 4 (servers 1)).
const refused: [string, Buffer, RegExp][] = [
  ['a plain field', field(2, BAD), /^runtime_handler: not valid UTF-8$/],
  ['half a surrogate pair', field(2, HALF_SURROGATE), /^runtime_handler: /],
  ['a cut sequence', field(2, Buffer.from([0xe2, 0x82])), /^runtime_handler: /],
  ['a nested field', field(1, field(1, field(1, BAD))), /^config\.metadata\.name: /],
  [
    'an item of a list',
    field(1, field(4, field(1, 'a'), field(1, BAD))),
    /^config\.dns_config\.servers\[1\]: /,
  ],
  ['a value of a map', field(1, field(6, field(1, 'a/b'), field(2, BAD))), /^config\.labels\["a\/b"\]: /],
  ['a key of a map', field(1, field(6, field(1, BAD), field(2, 'x'))), /^a key of config\.labels: /],
  [
    'a bad field beside a genuine U+FFFD',
    Buffer.concat([field(1, field(2, GENUINE)), field(2, BAD)]),
    /^runtime_handler: /,
  ],
];

const malformed: [string, Buffer][] = [
  ['a length beyond the end', Buffer.from([0x0a, 0x7f, 0x00])],
  ['a length beyond the end of the message around it', field(1, Buffer.from([0x12, 5, 0x61]), 'abc')],
  ['an unknown wire type', Buffer.from([0x0f])],
  ['an endless varint', Buffer.alloc(20, 0xff)],
];

/** A sandbox's config (1) with this in it. The length takes four bytes. */
function hugeConfig(content: Buffer): Buffer {
  const length = Buffer.from([0, 7, 14, 21].map((shift) => ((content.length >> shift) & 0x7f) | 0x80));
  length.writeUInt8(length.readUInt8(3) & 0x7f, 3);
  return Buffer.concat([Buffer.of(0x0a), length, content]);
}

describe('decodeRequest', () => {
  it('refuses at once what would take long to decode: very many items of lists and maps', () => {
    for (const item of [field(5, ''), field(6, field(1, 'a')), field(1, '')]) {
      const bytes = hugeConfig(Buffer.alloc(8 * 1024 * 1024, item));
      const startedAtMs = performance.now();
      assert.throws(() => decode(bytes), {
        code: Code.INVALID_ARGUMENT,
        message: /more than 100000 fields/,
      });
      assert.ok(performance.now() - startedAtMs < 1_000);
    }
  });

  for (const [what, bytes, message] of refused) {
    it(`names the field that is not UTF-8: ${what}`, () => {
      assert.throws(() => decode(bytes), { code: Code.INVALID_ARGUMENT, message });
    });
  }

  for (const [what, bytes] of malformed) {
    it(`refuses malformed protobuf: ${what}`, () => {
      assert.throws(() => decode(bytes), {
        code: Code.INVALID_ARGUMENT,
        message: /^RunPodSandbox request: malformed/,
      });
    });
  }

  it('lets a genuine U+FFFD and any other text pass', () => {
    for (const text of [GENUINE, `${GENUINE}${GENUINE} twice`, 'größer', '日本', '🐳', '']) {
      assert.deepEqual(Reflect.get(decode(field(2, text)), 'runtime_handler'), text);
    }
  });

  it('decodes the empty request', () => {
    assert.equal(Reflect.get(decode(Buffer.alloc(0)), 'config'), null);
  });

  it('does not look into bytes that are ASCII', () => {
    const request = decodeRequest('X', field(1, 'plain'), () => ({ name: GENUINE }));
    assert.deepEqual(request, { name: GENUINE });
  });

  it('refuses a field that is longer than the message, where protobufjs would cut it', () => {
    for (const bytes of ['0a0561', '0a', '08', '0980', '0d0102', '0b']) {
      assert.throws(
        () => decode(Buffer.from(bytes, 'hex')),
        (error) => error instanceof CriError && error.code === Code.INVALID_ARGUMENT,
        bytes,
      );
    }
  });
});
