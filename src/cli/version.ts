import { basename } from 'node:path';
import { ownFile } from '../util/own-program.js';

/** What this build is made of. */
export interface BuildInfo {
  readonly version: string;
  /** The commit, or `HEAD` for a build from a work tree, as cri-dockerd says. */
  readonly commit: string;
  /** Packages that it runs with, and their versions. */
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Reads package.json, into which packaging writes the commit as `gitHead`. */
export function readBuildInfo(): BuildInfo {
  const manifest: unknown = JSON.parse(ownFile('package.json'));
  const field = (name: string): unknown =>
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, name) : undefined;
  const version = field('version');
  const commit = field('gitHead');
  const dependencies = field('dependencies');
  return {
    version: typeof version === 'string' ? version : 'unknown',
    commit: typeof commit === 'string' ? commit : 'HEAD',
    dependencies: Object.fromEntries(
      Object.entries(dependencies ?? {}).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    ),
  };
}

/** Scripts that were made for cri-dockerd read its name back, so a link of that name answers to it. */
export function programName(invokedAs: string | undefined): string {
  return basename(invokedAs ?? '') === 'cri-dockerd' ? 'cri-dockerd' : 'cridock';
}

/** `cri-dockerd 0.1.0 (HEAD)`: the form that cri-dockerd prints. */
export function versionLine(program: string, { version, commit }: BuildInfo): string {
  return `${program} ${version} (${commit})`;
}

/** The lines that cri-dockerd prints, with Node.js in the place of Go, and the packages. */
export function buildInfoText(program: string, build: BuildInfo): string {
  return [
    `Program: ${program}`,
    `Version: ${build.version} (${build.commit})`,
    `GitCommit: ${build.commit}`,
    `Node.js version: ${process.version}`,
    ...Object.entries(build.dependencies).map(([name, version]) => `${name}: ${version}`),
  ].join('\n');
}
