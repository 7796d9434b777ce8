/** Stands in for what must not be seen. */
const REDACTED = '[redacted]';

/** Keys whose values are credentials, in the spellings of the CRI, Docker and HTTP. */
const SECRET_KEY =
  /pass(word|wd|phrase)|secret|token|credential|authorization|cookie|private[-_]?key|api[-_]?key|^auth$|^(x-registry-)?auth(config)?s?$/i;

/** kubectl keeps a copy of the pod's manifest, values of environment variables included, in this annotation. */
const MANIFEST_KEY = /last-applied-configuration$/;

/** Environment variables: `envs` of a CRI ContainerConfig, `Env` of a Docker container. */
const ENVIRONMENT_KEY = /^envs?$/i;

/** Deeper than any CRI message; ends the walk of what refers to itself. */
const MAX_DEPTH = 12;

/**
 * A copy of `value` that may be logged: what its keys call a credential is replaced, and environment variables
 * keep only their names. Errors become their message, stack and causes.
 */
export function redact(value: unknown, key = '', depth = 0): unknown {
  if (value === null || value === undefined || value === '') return value;
  if (SECRET_KEY.test(key) || MANIFEST_KEY.test(key)) return REDACTED;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object') return value;
  if (depth >= MAX_DEPTH) return '[...]';
  if (value instanceof Error) return describeError(value, depth);
  if (Buffer.isBuffer(value)) return `[${value.length} bytes]`;
  if (ENVIRONMENT_KEY.test(key)) return variableNames(value);
  if (Array.isArray(value)) return value.map((item: unknown) => redact(item, key, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, redact(item, name, depth + 1)]),
  );
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  const described: Record<string, unknown> = { message: error.message };
  if (error.stack !== undefined) described['stack'] = error.stack;
  if (error.cause !== undefined) described['cause'] = redact(error.cause, '', depth + 1);
  return described;
}

/** Accepts `[{key, value}]`, `['NAME=value']` and `{NAME: value}`. */
function variableNames(environment: object): unknown[] {
  if (!Array.isArray(environment)) return Object.keys(environment);
  return environment.map((entry: unknown) => {
    if (typeof entry === 'string') return entry.split('=', 1)[0];
    return typeof entry === 'object' && entry !== null && 'key' in entry ? entry.key : REDACTED;
  });
}
