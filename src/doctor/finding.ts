/** What one check of the node found. */
export interface Finding {
  /** A short name that scripts can rely on, such as `engine` or `cni-config`. */
  readonly check: string;
  /** `failure`: pods cannot run, or not well; `warning`: something that the operator should know. */
  readonly level: 'ok' | 'warning' | 'failure';
  /** One sentence. */
  readonly message: string;
  /** A command that mends it, to be run by root as it is; '' for `ok`. */
  readonly remedy: string;
}

export function ok(check: string, message: string): Finding {
  return { check, level: 'ok', message, remedy: '' };
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, level: 'warning', message, remedy };
}

export function failure(check: string, message: string, remedy: string): Finding {
  return { check, level: 'failure', message, remedy };
}

/** A word for a shell, in quotes where it needs them. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A command that gives a setting a value, in a file of its own, and restarts the service. */
export function settingRemedy(key: string, value: string): string {
  const path = `/etc/cridock/conf.d/60-${key}.yaml`;
  const text = `apiVersion: config.cridock.io/v1\\nkind: CridockConfiguration\\n${key}: ${value}\\n`;
  return `mkdir -p /etc/cridock/conf.d && printf '${text}' >${path} && systemctl restart cri-docker.service`;
}
