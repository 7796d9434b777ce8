import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const TEST_IMAGE = 'cridock.test/busybox:latest';

/**
 * Makes sure that the Engine at this unix socket has the small image that tests run, a statically linked busybox, and
 * answers its name. Nothing is fetched from outside.
 */
export async function ensureTestImage(socketPath: string): Promise<string> {
  const known = await request(socketPath, 'GET', `/images/${TEST_IMAGE}/json`);
  if (known.status !== 200) await importImage(socketPath, TEST_IMAGE, { CMD: '["/bin/sh"]' });
  return TEST_IMAGE;
}

/** Makes an image of its own content under this name (`repository:tag`). */
export async function makeUniqueImage(socketPath: string, name: string): Promise<void> {
  await importImage(socketPath, name, {}, name);
}

/** An image with these files and symbolic links on top, and Dockerfile instructions such as `USER`. */
export async function makeImage(
  socketPath: string,
  name: string,
  instructions: Record<string, string>,
  files: Record<string, string>,
  links: Record<string, string> = {},
): Promise<void> {
  await importImage(socketPath, name, instructions, name, files, links);
}

/** Gives an image more names (`repository:tag`). */
export async function tagImage(socketPath: string, image: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const [repo = '', tag = ''] = name.split(/:(?=[^:/]+$)/);
    const query = new URLSearchParams({ repo, tag }).toString();
    const answer = await request(socketPath, 'POST', `/images/${image}/tag?${query}`);
    if (answer.status !== 201) throw new Error(`tag ${name}: HTTP ${answer.status}: ${answer.body}`);
  }
}

async function importImage(
  socketPath: string,
  name: string,
  changes: Record<string, string>,
  marker = '',
  files: Record<string, string> = {},
  links: Record<string, string> = {},
): Promise<void> {
  const [repository = '', tag = ''] = name.split(/:(?=[^:/]+$)/);
  const query = new URLSearchParams({ fromSrc: '-', repo: repository, tag });
  for (const [instruction, value] of Object.entries(changes))
    query.append('changes', `${instruction} ${value}`);
  const answer = await request(
    socketPath,
    'POST',
    `/images/create?${query.toString()}`,
    await busyboxTar(marker, files, links),
  );
  if (answer.status !== 200 || answer.body.includes('"error"')) {
    throw new Error(`import of ${name}: HTTP ${answer.status}: ${answer.body}`);
  }
}

/** A root file system of busybox, its applets, the usual folders, and a file with the marker. */
export async function busyboxTar(
  marker = '',
  files: Readonly<Record<string, string>> = {},
  links: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  const busybox = ['/usr/bin/busybox', '/bin/busybox'].find(existsSync);
  if (busybox === undefined) throw new Error('tests need a static busybox: apt-get install busybox-static');
  const root = await mkdtemp(join(tmpdir(), 'cridock-image-'));
  try {
    for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev']) await mkdir(join(root, folder));
    await copyFile(busybox, join(root, 'bin/busybox'));
    await writeFile(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n',
    );
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nnobody:x:65534:\n');
    await writeFile(join(root, 'etc/marker'), marker);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    for (const [path, target] of Object.entries(links)) await symlink(target, join(root, path));
    const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
    const appletLinks = applets.filter((applet) => applet !== 'busybox');
    await Promise.all(appletLinks.map((applet) => symlink('busybox', join(root, 'bin', applet))));
    return execFileSync('tar', ['-C', root, '--numeric-owner', '--owner=0', '--group=0', '-c', '.'], {
      maxBuffer: 64 * 1024 * 1024,
    });
  } finally {
    await rm(root, { recursive: true });
  }
}

async function request(
  socketPath: string,
  method: string,
  path: string,
  body?: Buffer,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/x-tar' };
    const outgoing = http.request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
