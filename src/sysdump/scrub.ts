import { redact } from '../util/redact.js';

/** Stands where something was taken out. */
const GONE = '[redacted]';

/** Names that hold a word for a secret and say nothing secret. */
const HARMLESS_NAME = /author|^authentication-?mode$|authorization-?mode$|tokenizer/i;

/** A copy of a JSON value without secrets: values by their names, and what texts hold. Of environment variables only names stay. */
export function scrubJson(value: unknown): unknown {
  return scrubTexts(redact(value));
}

function scrubTexts(value: unknown): unknown {
  if (typeof value === 'string') return scrubText(value);
  if (Array.isArray(value)) return value.map(scrubTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => [key, scrubTexts(member)]),
  );
}

/**
 * Text of logs, units and command lines without secrets: credentials in URLs and in HTTP headers, values of flags and keys with
 * such names, values of the environment's variables in units, and PEM blocks.
 */
export function scrubText(text: string): string {
  return text
    .replaceAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, GONE)
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${GONE}@`)
    .replaceAll(/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${GONE}`)
    .replaceAll(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, GONE)
    .replaceAll(/^(\s*Environment\s*=)(.*)$/gm, (_, key: string, rest: string) => {
      const names = [...rest.matchAll(/(?:^|[\s"'])(\w+)=/g)].map(([, name = '']) => `${name}=${GONE}`);
      return `${key}${names.join(' ')}`;
    })
    .replaceAll(
      /(["']?)([\w-]*(?:pass(?:word|wd|phrase)?|secret|token|credential|api-?key|private-?key|auth)[\w-]*)\1(\s*[:=]\s*|\s+)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}"']+)/gi,
      (all: string, quote: string, name: string, mark: string, value: string) => {
        // A word before a blank is a flag's name only with its dashes; `container-log-...` and the like say nothing.
        if (!/[:=]/.test(mark) && !name.startsWith('--')) return all;
        if (HARMLESS_NAME.test(name) || /^["']?\/[\w./-]*["']?$/.test(value)) return all;
        return `${quote}${name}${quote}${mark}${GONE}`;
      },
    );
}
