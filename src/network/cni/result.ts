import { isIP } from 'node:net';

import { isJsonObject, type JsonObject } from './json-object.js';
import { resultShape } from './spec-version.js';

/**
 * Reads what a plugin printed on ADD, in the version of the configuration. A plugin that does not tell its version
 * speaks the configuration's. Throws an Error when it is not a result.
 */
export function parseResult(stdout: string, cniVersion: string): JsonObject {
  const value: unknown = JSON.parse(stdout) ?? {}; // libcni takes null as a result with nothing in it
  if (!isJsonObject(value)) throw new Error('the result is not a JSON object');
  return convertResult({ ...value, cniVersion: value['cniVersion'] || cniVersion }, cniVersion);
}

/** The same result as another version has it. Throws an Error when it cannot be told in that version. */
export function convertResult(result: JsonObject, cniVersion: string): JsonObject {
  const from = String(result['cniVersion']);
  if (from === cniVersion) return result;
  const [fromShape, toShape] = [resultShape(from), resultShape(cniVersion)];
  if (fromShape === toShape && fromShape !== undefined) return { ...result, cniVersion };
  if (fromShape === 'tagged' && toShape === 'plain') {
    return { ...result, cniVersion, ips: addressEntries(result).map(withoutIpVersion) };
  }
  if (fromShape === 'plain' && toShape === 'tagged') {
    return { ...result, cniVersion, ips: addressEntries(result).map(withIpVersion) };
  }
  throw new Error(`the result has cniVersion ${from}, the configuration ${cniVersion}`);
}

/**
 * The addresses that an ADD result gives to the container's interface `ifName`, in its order and without prefix
 * lengths. An address that names no interface counts. One of an interface on the host does not: an interface of the same
 * name without a `sandbox` is the container's only where no other one claims to be, as some plugins leave `sandbox` out.
 */
export function containerAddresses(result: JsonObject, ifName: string): string[] {
  const interfaces: unknown[] = Array.isArray(result['interfaces']) ? result['interfaces'] : [];
  const addresses = addressEntries(result)
    .filter((entry) => isOfContainer(entry, interfaces, ifName))
    .map((entry) => entry['address']);
  const pair = [result['ip4'], result['ip6']].map((entry) => (isJsonObject(entry) ? entry['ip'] : undefined));
  return [...addresses, ...pair]
    .map((address) => (typeof address === 'string' ? address.replace(/\/.*$/, '') : ''))
    .filter((address) => isIP(address) !== 0);
}

function isOfContainer(entry: JsonObject, interfaces: unknown[], ifName: string): boolean {
  const index = entry['interface'];
  if (typeof index !== 'number') return true;
  const owner = interfaces[index];
  if (owner === undefined) return true; // a plugin that counts interfaces it does not list
  if (!isJsonObject(owner) || owner['name'] !== ifName) return false;
  return Boolean(owner['sandbox']) || !interfaces.some((other) => isInContainer(other, ifName));
}

function isInContainer(entry: unknown, ifName: string): boolean {
  return isJsonObject(entry) && entry['name'] === ifName && Boolean(entry['sandbox']);
}

function addressEntries(result: JsonObject): JsonObject[] {
  return Array.isArray(result['ips']) ? result['ips'].filter(isJsonObject) : [];
}

function withIpVersion(entry: JsonObject): JsonObject {
  return { version: String(entry['address']).includes(':') ? '6' : '4', ...entry };
}

function withoutIpVersion(entry: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(entry).filter(([key]) => key !== 'version'));
}
