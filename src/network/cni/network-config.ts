import { isJsonObject, parseJsonObject, type JsonObject } from './json-object.js';
import { isCniName, isPluginType } from './names.js';
import { selectVersion } from './spec-version.js';

/** One plugin of a network. */
export interface PluginConfig {
  /** The name of the plugin's binary. */
  type: string;
  /** The capabilities that the plugin declares as true. */
  capabilities: string[];
  /** The plugin's whole configuration object, passed on to it. */
  body: JsonObject;
}

/** A network configuration list (CNI section 1). */
export interface NetworkConfig {
  name: string;
  /** The version that is spoken with the plugins. */
  cniVersion: string;
  disableCheck: boolean;
  disableGc: boolean;
  /** At least one, in the order of ADD. */
  plugins: PluginConfig[];
  /** The list as JSON text, for the cache. */
  text: string;
}

/** Reads a configuration list, as `.conflist` files hold it. Throws an Error that says what is wrong. */
export function parseNetworkList(text: string): NetworkConfig {
  const list = parseJsonObject(text);
  const { name, cniVersion, cniVersions = [], plugins } = list;
  if (typeof name !== 'string' || !isCniName(name)) throw new Error(`name: ${nameProblem(name)}`);
  if (cniVersion !== undefined && typeof cniVersion !== 'string') throw new Error('cniVersion: not a string');
  if (!isStringArray(cniVersions)) throw new Error('cniVersions: not a list of strings');
  if (!Array.isArray(plugins) || plugins.length === 0)
    throw new Error('plugins: must list at least one plugin');
  return {
    name,
    cniVersion: selectVersion(cniVersion, cniVersions),
    disableCheck: readFlag(list, 'disableCheck'),
    disableGc: readFlag(list, 'disableGC'),
    plugins: plugins.map((plugin: unknown, index) => readPlugin(plugin, `plugins[${index}]`)),
    text,
  };
}

/** Reads the configuration of a single plugin, as `.conf` and `.json` files hold it, as a list of one. */
export function parseSinglePlugin(text: string): NetworkConfig {
  const body = parseJsonObject(text);
  if (body['type'] === undefined && body['plugins'] !== undefined) {
    throw new Error('type: missing; a list of plugins belongs in a .conflist file');
  }
  readPlugin(body, '');
  const { name, cniVersion } = body;
  return parseNetworkList(JSON.stringify({ name, cniVersion, plugins: [body] }));
}

function readPlugin(body: unknown, where: string): PluginConfig {
  const prefix = where === '' ? '' : `${where}.`;
  if (!isJsonObject(body)) throw new Error(`${where}: not an object`);
  const { type, capabilities = {} } = body;
  if (typeof type !== 'string' || !isPluginType(type)) {
    throw new Error(`${prefix}type: must be the name of a plugin binary, not a path`);
  }
  if (!isJsonObject(capabilities)) throw new Error(`${prefix}capabilities: not an object`);
  return {
    type,
    capabilities: Object.keys(capabilities).filter((capability) => capabilities[capability] === true),
    body,
  };
}

function nameProblem(name: unknown): string {
  if (name === undefined || name === '') return 'missing';
  return 'must begin with a letter or digit, followed by letters, digits, "_", "." and "-" only';
}

/** A boolean; libcni takes the words "true" and "false" too. */
function readFlag(list: JsonObject, key: string): boolean {
  const value = list[key] ?? false;
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (word !== 'true' && word !== 'false') throw new Error(`${key}: neither true nor false`);
  return word === 'true';
}

function isStringArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
