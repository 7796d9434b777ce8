import { readFileSync } from 'node:fs';
import { drawing, escape } from './svg.js';

/*
 * Usage: node terminal.js FILE
 * Prints a picture of a terminal, as SVG, that shows the text in FILE: a command after `# `, and what it told.
 */

const CHARACTER = { width: 8.4, height: 19 };
const MARGIN = 16;
const BAR = 28;

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: terminal.js FILE');
const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
const columns = Math.max(...lines.map((line) => line.length));
const size = {
  width: Math.ceil(columns * CHARACTER.width) + 2 * MARGIN,
  height: lines.length * CHARACTER.height + BAR + MARGIN + 8,
};

/** Marks of `cridock status` have their colours. */
function line(text: string, index: number): string {
  const y = BAR + 18 + index * CHARACTER.height;
  const kind = /^# /.test(text) ? 'command' : /^● .* ready$/.test(text) ? 'good' : 'told';
  const marked = escape(text)
    .replace(/✓/g, '<tspan class="good">✓</tspan>')
    .replace(/✗/g, '<tspan class="bad">✗</tspan>');
  return `<text class="${kind}" x="${MARGIN}" y="${y}" xml:space="preserve">${marked}</text>`;
}

const dots = ['#e5534b', '#d4a72c', '#57ab5a'].map(
  (colour, index) => `<circle cx="${20 + index * 18}" cy="15" r="5" fill="${colour}"/>`,
);
console.log(
  drawing(size, [
    `<rect class="terminal" width="${size.width}" height="${size.height}" rx="8"/>`,
    ...dots,
    ...lines.map(line),
  ]),
);
