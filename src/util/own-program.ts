import { readFileSync, writeFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

/**
 * How this program was made and started: from its sources, compiled into a folder of the repository, or as one executable
 * file that holds Node.js, the code and the files that the code reads (a single executable application).
 */

/** The name that it was called by, such as `/usr/bin/cri-dockerd`, which may be a link. */
export function invokedAs(): string | undefined {
  return isSea() ? process.argv0 : process.argv[1];
}

/** The words that start this same program again, to which arguments are added. */
export function ownCommand(): string[] {
  return isSea() ? [process.execPath] : [process.execPath, process.argv[1] ?? ''];
}

/** The words that start a part of this program as a process of its own: the compiled file `script`, where there is one. */
export function ownPart(argument: string, script: URL): string[] {
  return [process.execPath, isSea() ? argument : fileURLToPath(script)];
}

/** Where a program that is built and shipped beside this one is, if it is there: one made from C, for this machine. */
export function ownHelper(name: string): string {
  if (isSea()) return join(dirname(process.execPath), '../libexec/cridock', name);
  // Compiled, this file is <root>/<outDir>/src/util/own-program.js.
  return fileURLToPath(new URL(`../../libexec/${name}`, import.meta.url));
}

/** The text of a file of the repository, such as `package.json`. Throws when the executable was made without it. */
export function ownFile(path: string): string {
  if (isSea()) return getAsset(path, 'utf8');
  // Compiled, this file is <root>/<outDir>/src/util/own-program.js.
  return readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
}

/**
 * Keeps V8's optimising compilers off in the executable: what is busy only while it starts is not worth compiling, and the compilers
 * themselves take 8 MB. To be called first of all, and again for the way to the process's end: Node.js waits there for compilers
 * of other threads, and one of them may wait for the main thread to collect garbage, both for ever
 * (https://github.com/nodejs/node/issues/54918). Not by flags of the executable: V8 that starts without them gets no queue
 * for them either, and where they are turned on later each function is compiled again and again, which took a quarter of all processor time.
 */
export function optimiseNot(): void {
  if (!isSea()) return;
  setFlagsFromString('--no-opt');
  setFlagsFromString('--no-maglev');
}

/** From here on, what is busy gets compiled. */
export function optimiseFromNowOn(): void {
  if (!isSea()) return;
  setFlagsFromString('--opt');
  setFlagsFromString('--maglev');
}

/** What `ps` and `top` call this process: without it, Node.js has the name of its main thread there. */
export function nameProcess(name: string): void {
  try {
    writeFileSync('/proc/self/comm', name);
  } catch {
    // only its looks
  }
}
