import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { MessageTypeDefinition, PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import { loadSync } from '@grpc/proto-loader';

const root = path.resolve(import.meta.dirname, '../../../..');
const protoPath = path.join(root, 'proto/runtime/v1/api.proto');
const factsPath = path.join(root, 'test/fixtures/cri-v1.json');

/** CRI v1 as a table: the form of test/fixtures/cri-v1.json. Nested types are named `Outer.Inner`. */
interface ApiTable {
  package: string;
  /** Service -> RPC -> request and response type, with `stream ` before one that is streamed. */
  services: Record<string, Record<string, [request: string, response: string]>>;
  /** Enum -> value name -> number. */
  enums: Record<string, Record<string, number>>;
  /**
   * Message -> field name -> number, type with label (`repeated X`, `map<K, V>`), options that are set.
   * CRI v1 has no oneof: were there one, it would stand here like a field, as `[0, "oneof"]`.
   */
  messages: Record<string, Record<string, [number: number, type: string, ...options: string[]]>>;
}

/** The parts that are read here of what proto-loader gives as `type` of a message: a DescriptorProto in JSON. */
interface MessageDescriptor {
  name: string;
  field: FieldDescriptor[];
  nestedType: (MessageDescriptor & { options: { mapEntry: boolean } | null })[];
  enumType: EnumDescriptor[];
  /** Holds one of its own for every field with the label `optional`, too. */
  oneofDecl: { name: string }[];
}

interface FieldDescriptor {
  name: string;
  number: number;
  /** `LABEL_OPTIONAL`, which is also proto3's "no label", or `LABEL_REPEATED`. */
  label: string;
  /** `TYPE_STRING` and so on. */
  type: string;
  /** Set for messages, maps and enums. */
  typeName: string;
  options: { deprecated: boolean; debugRedact: boolean } | null;
}

interface EnumDescriptor {
  name: string;
  value: { name: string; number: number }[];
}

const isService = (definition: PackageDefinition[string]): definition is ServiceDefinition =>
  !('format' in definition);

const isMessage = (
  definition: PackageDefinition[string],
): definition is MessageTypeDefinition<object, object> =>
  'format' in definition && definition.format === 'Protocol Buffer 3 DescriptorProto';

/** Loads a .proto file the way the server does, and brings it into the form of the facts. */
function loadTable(file: string): ApiTable {
  const table: ApiTable = { package: 'runtime.v1', services: {}, enums: {}, messages: {} };
  for (const [fullName, definition] of Object.entries(loadSync(file, { keepCase: true, longs: String }))) {
    assert.ok(fullName.startsWith(`${table.package}.`), `${fullName} is in another package`);
    const name = fullName.slice(table.package.length + 1);
    if (isService(definition)) {
      table.services[name] = serviceTable(fullName, definition);
    } else if (isMessage(definition)) {
      addMessage(table, name, definition.type as MessageDescriptor);
    } else {
      table.enums[name] = enumTable(definition.type as EnumDescriptor);
    }
  }
  return table;
}

function serviceTable(fullName: string, service: ServiceDefinition): ApiTable['services'][string] {
  const typeName = (message: MessageTypeDefinition<object, object>, streamed: boolean): string =>
    `${streamed ? 'stream ' : ''}${(message.type as MessageDescriptor).name}`;
  return Object.fromEntries(
    Object.entries(service).map(([rpc, method]) => {
      assert.equal(method.path, `/${fullName}/${rpc}`);
      return [
        rpc,
        [
          typeName(method.requestType, method.requestStream),
          typeName(method.responseType, method.responseStream),
        ],
      ];
    }),
  );
}

function addMessage(table: ApiTable, name: string, message: MessageDescriptor): void {
  table.messages[name] = Object.fromEntries(
    message.field.map((field) => {
      const options = [
        ...(field.options?.deprecated === true ? ['deprecated'] : []),
        ...(field.options?.debugRedact === true ? ['debug_redact'] : []),
      ];
      return [field.name, [field.number, fieldType(message, field), ...options]];
    }),
  );
  for (const oneof of message.oneofDecl) table.messages[name][oneof.name] = [0, 'oneof'];
  for (const nested of message.enumType) table.enums[`${name}.${nested.name}`] = enumTable(nested);
  for (const nested of message.nestedType) {
    if (nested.options?.mapEntry !== true) addMessage(table, `${name}.${nested.name}`, nested);
  }
}

function fieldType(owner: MessageDescriptor, field: FieldDescriptor): string {
  const mapEntry = owner.nestedType.find(
    (nested) => nested.options?.mapEntry === true && nested.name === field.typeName,
  );
  if (mapEntry) return `map<${mapEntry.field.map((part) => fieldType(mapEntry, part)).join(', ')}>`;
  const type = field.typeName === '' ? field.type.replace('TYPE_', '').toLowerCase() : field.typeName;
  return field.label === 'LABEL_REPEATED' ? `repeated ${type}` : type;
}

function enumTable(type: EnumDescriptor): Record<string, number> {
  return Object.fromEntries(type.value.map((value) => [value.name, value.number]));
}

/** Everything that the table says, a fact a line. */
function lines(table: ApiTable): string[] {
  const flatten = (kind: string, records: Record<string, object>): string[] =>
    Object.entries(records).flatMap(([name, members]) => [
      `${kind} ${name}`,
      ...Object.entries(members).map(
        ([member, value]) => `${kind} ${name}.${member} ${JSON.stringify(value)}`,
      ),
    ]);
  return [
    `package ${table.package}`,
    ...flatten('service', table.services),
    ...flatten('enum', table.enums),
    ...flatten('message', table.messages),
  ];
}

/** The lines of the facts that the file lacks, with `-`, and those that it has beyond them, with `+`. */
function differences(facts: ApiTable, loaded: ApiTable): string[] {
  const [expected, actual] = [new Set(lines(facts)), new Set(lines(loaded))];
  return [
    ...[...expected].filter((line) => !actual.has(line)).map((line) => `- ${line}`),
    ...[...actual].filter((line) => !expected.has(line)).map((line) => `+ ${line}`),
  ];
}

const sizes = (records: Record<string, object>): number =>
  Object.values(records).reduce((sum, record) => sum + Object.keys(record).length, 0);

describe('proto/runtime/v1/api.proto', () => {
  const facts = JSON.parse(readFileSync(factsPath, 'utf8')) as ApiTable;

  it('is compared with facts that are complete', () => {
    assert.equal(sizes(facts.services), 43, 'RPCs');
    assert.equal(Object.keys(facts.messages).length, 175, 'messages');
    assert.equal(sizes(facts.messages), 478, 'fields');
    assert.equal(Object.keys(facts.enums).length, 11, 'enums');
  });

  it('has the services, messages, fields and enums of CRI v1, and no others', () => {
    assert.deepEqual(differences(facts, loadTable(protoPath)), []);
  });
});

describe('the comparison with CRI v1', () => {
  const hostname = 'message PodSandboxConfig.hostname [2,"string"]';
  const attach = 'service RuntimeService.Attach ["AttachRequest","AttachResponse"]';
  const changes = [
    {
      what: 'a changed field number',
      from: 'string hostname = 2;',
      to: 'string hostname = 12;',
      found: [`- ${hostname}`, '+ message PodSandboxConfig.hostname [12,"string"]'],
    },
    {
      what: 'a changed field name',
      from: 'string hostname = 2;',
      to: 'string host_name = 2;',
      found: [`- ${hostname}`, '+ message PodSandboxConfig.host_name [2,"string"]'],
    },
    {
      what: 'a changed field type',
      from: 'string hostname = 2;',
      to: 'bytes hostname = 2;',
      found: [`- ${hostname}`, '+ message PodSandboxConfig.hostname [2,"bytes"]'],
    },
    {
      what: 'a changed label',
      from: 'string hostname = 2;',
      to: 'repeated string hostname = 2;',
      found: [`- ${hostname}`, '+ message PodSandboxConfig.hostname [2,"repeated string"]'],
    },
    {
      what: 'presence that was not there',
      from: 'string hostname = 2;',
      to: 'optional string hostname = 2;',
      found: ['+ message PodSandboxConfig._hostname [0,"oneof"]'],
    },
    {
      what: 'a changed map value',
      from: 'map<string, string> sysctls',
      to: 'map<string, bytes> sysctls',
      found: [
        '- message LinuxPodSandboxConfig.sysctls [3,"map<string, string>"]',
        '+ message LinuxPodSandboxConfig.sysctls [3,"map<string, bytes>"]',
      ],
    },
    { what: 'a missing field', from: 'string hostname = 2;', to: '', found: [`- ${hostname}`] },
    {
      what: 'an extra field',
      from: 'string hostname = 2;',
      to: 'string hostname = 2; bool more = 99;',
      found: ['+ message PodSandboxConfig.more [99,"bool"]'],
    },
    {
      what: 'a missing option',
      from: ' password = 2 [debug_redact = true]',
      to: ' password = 2',
      found: [
        '- message AuthConfig.password [2,"string","debug_redact"]',
        '+ message AuthConfig.password [2,"string"]',
      ],
    },
    {
      what: 'an extra message',
      from: 'message PodIP {',
      to: 'message Extra {}\nmessage PodIP {',
      found: ['+ message Extra'],
    },
    {
      what: 'an extra nested message',
      from: 'message PodIP {',
      to: 'message PodIP { message Extra {}',
      found: ['+ message PodIP.Extra'],
    },
    {
      what: 'a changed enum number',
      from: 'SCTP = 2;',
      to: 'SCTP = 3;',
      found: ['- enum Protocol.SCTP 2', '+ enum Protocol.SCTP 3'],
    },
    {
      what: 'a changed number in a nested enum',
      from: 'Localhost = 2;',
      to: 'Localhost = 3;',
      found: [
        '- enum SecurityProfile.ProfileType.Localhost 2',
        '+ enum SecurityProfile.ProfileType.Localhost 3',
      ],
    },
    {
      what: 'a missing RPC',
      from: 'rpc Attach(AttachRequest) returns (AttachResponse) {}',
      to: '',
      found: [`- ${attach}`],
    },
    {
      what: 'a changed request',
      from: 'rpc Attach(AttachRequest)',
      to: 'rpc Attach(ExecRequest)',
      found: [`- ${attach}`, '+ service RuntimeService.Attach ["ExecRequest","AttachResponse"]'],
    },
    {
      what: 'a changed streaming flag',
      from: 'returns (AttachResponse)',
      to: 'returns (stream AttachResponse)',
      found: [`- ${attach}`, '+ service RuntimeService.Attach ["AttachRequest","stream AttachResponse"]'],
    },
  ];
  const facts = JSON.parse(readFileSync(factsPath, 'utf8')) as ApiTable;
  const source = readFileSync(protoPath, 'utf8');
  let directory: string;

  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'cridock-proto-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  for (const [index, { what, from, to, found }] of changes.entries()) {
    it(`finds ${what}`, () => {
      assert.ok(source.includes(from), `api.proto has no "${from}"`);
      const file = path.join(directory, `${index}.proto`);
      writeFileSync(file, source.replace(from, to));
      assert.deepEqual(differences(facts, loadTable(file)), found);
    });
  }
});
