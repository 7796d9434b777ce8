import { Code } from '../util/cri-error.js';
import type { LogFields, Logger } from '../util/log.js';
import { codeName } from './failure.js';
import type { Served } from './failure.js';

/** Calls that the kubelet makes every few seconds; ExecSync for its probes. */
const CHATTY = /^(Version|Status|RuntimeConfig|ExecSync|List\w+|Stream\w+|\w+Status|\w+Stats|ImageFsInfo)$/;

/** Calls that last until the client gives them up. */
const ENDLESS = /^GetContainerEvents$/;

/**
 * Writes the one line that a call gets: at info for a change, at debug for a read or a probe, at warn for what the caller
 * or the node is to blame for, at error for our own faults. At debug the request follows; the logger leaves out
 * credentials and values of environment variables.
 */
export function logCall(
  log: Logger,
  rpc: string,
  served: Served,
  durationMs: number,
  unheard: boolean,
): void {
  const { request, failure } = served;
  const fields: LogFields = { code: codeName(failure), durationMs: Math.round(durationMs * 100) / 100 };
  const subject = subjectOf(request);
  if (subject !== undefined) fields['subject'] = subject;
  if (unheard) fields['unheard'] = true;
  if (failure === undefined) {
    if (CHATTY.test(rpc)) log.debug('call', fields);
    else log.info('call', fields);
  } else {
    fields['reason'] = failure.status.message;
    switch (failure.status.code) {
      case Code.INTERNAL:
      case Code.UNKNOWN:
        log.error('call failed', { ...fields, error: failure.thrown });
        break;
      case Code.UNIMPLEMENTED: // a lasting fact that some callers ask for again and again
        log.debug('call failed', fields);
        break;
      case Code.CANCELLED:
        if (ENDLESS.test(rpc)) log.info('call', fields);
        else log.warn('call failed', fields);
        break;
      default:
        log.warn('call failed', fields);
    }
  }
  if (request !== undefined) log.debug('request', { request });
}

/** What the call is about: the id or name that requests carry under these fields. */
function subjectOf(request: object | undefined): string | undefined {
  if (request === undefined) return undefined;
  const fields: Record<string, unknown> = { ...request };
  for (const name of ['container_id', 'pod_sandbox_id']) {
    const value = fields[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  return nestedName(fields['image'], 'image') ?? nestedName(nested(fields['config'], 'metadata'), 'name');
}

function nested(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function nestedName(value: unknown, key: string): string | undefined {
  const name = nested(value, key);
  return typeof name === 'string' && name !== '' ? name : undefined;
}
