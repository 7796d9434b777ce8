/** A command of a unit, as its text has it. */
export interface ExecStart {
  /** What may precede the path: systemd.service(5), special executable prefixes. */
  readonly prefix: string;
  /** The path of the program. */
  readonly program: string;
  /** The rest of the line to the letter, with the blank before it. */
  readonly flags: string;
}

/**
 * What a unit starts. `unitText` is the text of its file, or what `systemctl cat` prints: the unit and its drop-ins in their
 * order. The last word on ExecStart counts; an empty one takes back what stood before it. Undefined when nothing is started.
 */
export function execStartOf(unitText: string): ExecStart | undefined {
  const lines = unitText.replaceAll(/\s*\\\n\s*/g, ' ').split('\n');
  const values = lines.map((line) => /^\s*ExecStart\s*=\s*(.*?)\s*$/.exec(line)?.[1]);
  const last = values.filter((value) => value !== undefined).at(-1) ?? '';
  const [, prefix = '', program, flags = ''] = /^([-@:+!|]*)(\S+)(.*)$/s.exec(last) ?? [];
  return program === undefined ? undefined : { prefix, program, flags };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', s: ' ' };

/**
 * The words of a command line as systemd splits it (systemd.syntax(7), systemd.service(5)): quotes, backslashes, `$NAME` as a
 * word of its own, which becomes as many words as its value has, and `${NAME}` within one.
 */
export function splitWords(line: string, env: Readonly<Record<string, string>>): string[] {
  const words: string[] = [];
  for (const { text, isQuoted } of tokens(line)) {
    const name = isQuoted ? undefined : /^\$(\w+)$/.exec(text)?.[1];
    if (name !== undefined) words.push(...tokens(env[name] ?? '').map((token) => token.text));
    else
      words.push(text.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => env[key] ?? '').replaceAll('$$', '$'));
  }
  return words.map((word) => word.replaceAll('%%', '%').replaceAll('%t', '/run'));
}

function tokens(line: string): { text: string; isQuoted: boolean }[] {
  const found: { text: string; isQuoted: boolean }[] = [];
  for (const [token] of line.matchAll(/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+/gs)) {
    const isQuoted = /["']/.test(token);
    const text = token.replaceAll(
      /"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|\\(.)/gs,
      (_, double?: string, single?: string, escaped?: string) =>
        escaped === undefined ? unescaped(double ?? single ?? '') : (ESCAPES[escaped] ?? escaped),
    );
    found.push({ text, isQuoted });
  }
  return found;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter);
}
