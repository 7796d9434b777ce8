/** The text of an image's account files; empty where the image has none. */
export interface AccountFiles {
  passwd: string;
  group: string;
}

/** One line of a passwd file. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** The files of an image that knows nobody. */
export const NO_ACCOUNTS: AccountFiles = { passwd: '', group: '' };

/** The first account with this name or uid, as the Engine looks it up. */
export function findAccount({ passwd }: AccountFiles, user: string): Account | undefined {
  for (const [name = '', , uid, gid] of fieldsOf(passwd)) {
    const account = { name, uid: readId(uid), gid: readId(gid) };
    if (name === user || String(account.uid) === user) return { ...account };
  }
  return undefined;
}

/** The gid of the group with this name or number; undefined when the image has no such name. */
export function findGroup({ group }: AccountFiles, nameOrId: string): number | undefined {
  for (const [name, , gid] of fieldsOf(group)) {
    if (name === nameOrId) return readId(gid);
  }
  return /^\d+$/.test(nameOrId) ? Number(nameOrId) : undefined;
}

/** The gids of all groups that list the user as a member, in the order of the file. */
export function groupsOfMember({ group }: AccountFiles, userName: string): number[] {
  return fieldsOf(group)
    .filter(([, , , members = '']) => members.split(',').includes(userName))
    .map(([, , gid]) => readId(gid));
}

function fieldsOf(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}

/** As the Engine reads them: what is no number counts as 0. */
function readId(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : 0;
}
