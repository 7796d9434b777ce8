import { isUtf8 } from 'node:buffer';
import type { KeyValue__Output } from '../../gen/runtime/v1/KeyValue.js';
import { invalidArgument } from '../../util/cri-error.js';

/**
 * `Config.Env`, in the order of the request; of variables that come twice the later value holds. Docker's JSON carries
 * UTF-8 only: other values are refused with INVALID_ARGUMENT, and so are names that the environment cannot hold.
 */
export function environment(variables: KeyValue__Output[]): string[] {
  const values = new Map<string, string>();
  variables.forEach(({ key, value }, index) => {
    const field = `config.envs[${index}]`;
    if (key === '') throw invalidArgument(`${field}.key`, 'must not be empty');
    if (/[=\0]/.test(key)) throw invalidArgument(`${field}.key`, 'must hold neither "=" nor NUL');
    if (!isUtf8(value)) throw invalidArgument(`${field}.value`, 'is not valid UTF-8, which Docker needs');
    if (value.includes(0)) throw invalidArgument(`${field}.value`, 'must not hold a NUL character');
    values.set(key, value.toString('utf8'));
  });
  return [...values].map(([key, value]) => `${key}=${value}`);
}
