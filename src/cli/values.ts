import { isIP } from 'node:net';
import type { LogLevel } from '../util/log.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Node's timers hold no more than this (about 24.8 days). */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** A duration in Go's form, such as `1m0s`, `1.5h`, `300ms` or `0`, in milliseconds. Negative ones are refused. */
export function parseDurationMs(text: string): number {
  if (text === '0') return 0;
  if (
    !/^\+?(\d+(\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))*$/.test(
      text,
    )
  ) {
    throw new Error(`${quote(text)} is not a duration; write it as 1m30s`);
  }
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  if (totalMs > MAX_DURATION_MS) throw new Error(`${quote(text)} is longer than 596h31m23s`);
  return totalMs;
}

export function parsePositiveDurationMs(text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs === 0) throw new Error(`${quote(text)}: must be more than 0`);
  return durationMs;
}

/** A boolean in the forms that Go's flags take. */
export function parseBoolean(text: string): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new Error(`${quote(text)} is neither true nor false`);
}

/** A comma-separated list without its blanks. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** One network such as `10.244.0.0/24` or `fd00:10::/64`. */
export function parseCidr(text: string): string {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const family = isIP(address);
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity;
  if (family === 0 || rest.length > 0 || bits > (family === 4 ? 32 : 128)) {
    throw new Error(`${quote(text)} is not a network in CIDR form, such as 10.244.0.0/24`);
  }
  return text;
}

/** An address to listen on. */
export interface BindAddress {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** `IP`, `IP:port` or `[IPv6]:port`. */
export function parseBindAddress(text: string): BindAddress {
  if (isIP(text) !== 0) return { host: text, port: 0 };
  const [, bracketed, plain, digits = ''] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const fits = bracketed === undefined ? isIP(plain ?? '') === 4 : isIP(bracketed) === 6;
  if (!fits || port > 65_535) {
    throw new Error(`${quote(text)} is not an address to listen on, such as 127.0.0.1 or 127.0.0.1:10010`);
  }
  return { host: bracketed ?? plain ?? '', port };
}

/** `host:port`, without TLS as the kubelet dials it, or a URL; answered as a URL. */
export function parseCollector(text: string): string {
  const [, scheme = 'http', host, digits = ''] =
    /^(?:(https?):\/\/)?([\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(digits) > 65_535) {
    throw new Error(`${quote(text)} is no collector; write it as 127.0.0.1:4317 or https://collector:4317`);
  }
  return `${scheme}://${host}:${digits}`;
}

/** A whole number of millionths. */
export function parsePerMillion(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : Infinity;
  if (count > 1e6) throw new Error(`${quote(text)} is not a number from 0 to 1000000`);
  return count;
}

export function parseAbsolutePath(text: string): string {
  if (!text.startsWith('/') || text.includes('\0')) throw new Error(`${quote(text)} is not an absolute path`);
  return text;
}

export function parseMtu(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new Error(`${quote(text)} is not a number of bytes`);
  return Number(text);
}

/** One of the given words. */
export function parseChoice<Word extends string>(text: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text);
  if (found === undefined) throw new Error(`${quote(text)} is none of ${words.join(', ')}`);
  return found;
}

/** The levels of cri-dockerd's logger by name, and what comes closest to each of them here. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  panic: 'error',
  fatal: 'error',
  error: 'error',
  warn: 'warn',
  warning: 'warn',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
};

export function parseLogLevel(text: string): LogLevel {
  const level = Object.hasOwn(LEVELS, text.toLowerCase()) ? LEVELS[text.toLowerCase()] : undefined;
  if (level === undefined) throw new Error(`${quote(text)} is none of ${Object.keys(LEVELS).join(', ')}`);
  return level;
}

/** A size of a log file in Docker's form: a whole number with k, m or g. Less than 64k would be rotated all the time. */
export function parseLogSize(text: string): string {
  const [, digits = '', unit = ''] = /^(\d{1,6})([kmg])$/.exec(text) ?? [];
  if (digits === '') throw new Error(`${quote(text)} is not a size; write it as 500k, 16m or 1g`);
  if (Number(digits) < (unit === 'k' ? 64 : 1)) throw new Error(`${quote(text)}: must be at least 64k`);
  return text;
}

/** With one file alone the Engine would drop all it has at each rotation. */
export function parseLogFiles(text: string): number {
  const files = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (files < 2) throw new Error(`${quote(text)} is not a number of files, 2 or more`);
  return files;
}

export type NetworkPlugin = 'cni' | 'docker-bridge';

/** cri-dockerd's names: `no-op` and the empty text leave the network to Docker. */
export function parseNetworkPlugin(text: string): NetworkPlugin {
  if (text === 'cni') return 'cni';
  if (text === '' || text === 'no-op') return 'docker-bridge';
  if (text === 'kubenet') {
    throw new Error(
      'kubenet is not supported; use cni, and configure its bridge and host-local plugins instead',
    );
  }
  throw new Error(`${quote(text)} is no network plugin; use cni, or '' for Docker's default bridge`);
}

/** `unix:///path`, `tcp://host:port` or nothing. */
export function parseDockerEndpoint(text: string): string {
  if (text === '' || /^unix:\/\/\/[^\0]*[^/\0]$/.test(text)) return text;
  if (/^tcp:\/\/(\[[\da-fA-F:.]+\]|[^\s:/@[\]]+):\d{1,5}$/.test(text)) return text;
  throw new Error(
    `${quote(text)} is no Docker endpoint; write unix:///path/to/docker.sock or tcp://host:port`,
  );
}

/** An image reference, in so far as it is not empty and has no blanks; the Engine knows the rest. */
export function parseImage(text: string): string {
  if (text === '' || /\s/.test(text)) throw new Error(`${quote(text)} is not an image reference`);
  return text;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
