import { invalidArgument } from '../../util/cri-error.js';
import type { ContainerUser } from '../../gen/runtime/v1/ContainerUser.js';
import type { Int64Value__Output } from '../../gen/runtime/v1/Int64Value.js';
import { SupplementalGroupsPolicy } from '../../gen/runtime/v1/SupplementalGroupsPolicy.js';
import type { SupplementalGroupsPolicy__Output } from '../../gen/runtime/v1/SupplementalGroupsPolicy.js';
import { findAccount, findGroup, groupsOfMember, type AccountFiles } from './accounts.js';
import { checkText, requireInteger } from '../text/validate.js';

/** The user fields that the security contexts of sandboxes and containers share. */
export interface UserFields {
  run_as_user: Int64Value__Output | null;
  run_as_group: Int64Value__Output | null;
  /** Containers only. */
  run_as_username?: string;
  supplemental_groups: string[];
  supplemental_groups_policy: SupplementalGroupsPolicy__Output;
}

/** What the image says of users. */
export interface ImageUsers {
  /** The image's own `User`: a name or uid, with or without `:group`; '' for root. */
  user: string;
  accounts: AccountFiles;
}

/** The ids that a container's first process gets. */
export interface Identity {
  uid: number;
  gid: number;
  /** The primary gid first, then the others, each once. */
  groups: number[];
}

const FIELD = 'config.linux.security_context';
const MAX_ID = 2 ** 31 - 1;
const MAX_USERNAME_BYTES = 256;
const POLICIES: readonly number[] = [SupplementalGroupsPolicy.Merge, SupplementalGroupsPolicy.Strict];

/** What a container without security context asks for. */
export const NO_USER_FIELDS: UserFields = {
  run_as_user: null,
  run_as_group: null,
  supplemental_groups: [],
  supplemental_groups_policy: SupplementalGroupsPolicy.Merge,
};

/**
 * `Config.User` and `HostConfig.GroupAdd`, and whom they make the process. Docker adds the image's groups of a user
 * exactly when no group is named beside it: with policy Strict the gid is always named, and with Merge the image's groups
 * are added by hand where one is. INVALID_ARGUMENT for names that the image does not know, which Docker would find out
 * only at the start.
 */
export function userAndGroups(
  fields: UserFields,
  image: ImageUsers,
): { User: string; GroupAdd: string[]; identity: Identity } {
  checkGroupsPolicy(fields.supplemental_groups_policy);
  const asked = userText(fields);
  const runAsGroup = fields.run_as_group && requireId('run_as_group', fields.run_as_group.value);
  if (asked === '' && runAsGroup !== null) {
    throw invalidArgument(`${FIELD}.run_as_group`, 'needs run_as_user or run_as_username');
  }
  const given = fields.supplemental_groups.map((group, index) =>
    requireId(`supplemental_groups[${index}]`, group),
  );
  const [imageUser = '', imageGroup = ''] = image.user.split(':');
  const user = asked || imageUser;
  const account = findAccount(image.accounts, user || '0');
  if (account === undefined && !/^\d*$/.test(user)) throw unknownUser(user, asked !== '');
  const namedGid = runAsGroup ?? (asked === '' ? groupOf(imageGroup, image.accounts) : undefined);
  const gid = namedGid ?? account?.gid ?? 0;
  const strict = fields.supplemental_groups_policy === SupplementalGroupsPolicy.Strict;
  const ofImage = strict || account === undefined ? [] : groupsOfMember(image.accounts, account.name);
  const groups = unique([gid, ...given, ...ofImage]);
  const identity: Identity = { uid: account?.uid ?? Number(user), gid, groups };
  if (strict || namedGid !== undefined) {
    return { User: `${user || '0'}:${gid}`, GroupAdd: groups.slice(1).map(String), identity };
  }
  return { User: asked, GroupAdd: unique(given).map(String), identity };
}

/** Refuses a policy that is none, with INVALID_ARGUMENT. */
export function checkGroupsPolicy(policy: SupplementalGroupsPolicy__Output): void {
  if (!POLICIES.includes(policy)) throw invalidArgument(`${FIELD}.supplemental_groups_policy`, 'is unknown');
}

/** The identity as one word for a label: `uid:gid:group,group`. */
export function identityText({ uid, gid, groups }: Identity): string {
  return `${uid}:${gid}:${groups.join(',')}`;
}

/** CRI's form of what `identityText` wrote; null for a container whose label is missing, as cri-dockerd's are. */
export function containerUser(text: string | undefined): ContainerUser | null {
  const [, uid, gid, groups] = /^(\d+):(\d+):([\d,]*)$/.exec(text ?? '') ?? [];
  if (uid === undefined || gid === undefined || groups === undefined) return null;
  return { linux: { uid, gid, supplemental_groups: groups.split(',') } };
}

function userText({ run_as_user: runAsUser, run_as_username: username = '' }: UserFields): string {
  if (runAsUser !== null && username !== '') {
    throw invalidArgument(`${FIELD}.run_as_username`, 'must not be given together with run_as_user');
  }
  if (runAsUser !== null) return String(requireId('run_as_user', runAsUser.value));
  checkText(`${FIELD}.run_as_username`, username, MAX_USERNAME_BYTES);
  if (username.includes(':')) throw invalidArgument(`${FIELD}.run_as_username`, 'must not hold ":"');
  return username;
}

function groupOf(group: string, accounts: AccountFiles): number | undefined {
  if (group === '') return undefined;
  const gid = findGroup(accounts, group);
  if (gid === undefined)
    throw invalidArgument('config.image', `its own group "${group}" is not in /etc/group`);
  return gid;
}

function unknownUser(user: string, wasAsked: boolean): Error {
  return wasAsked
    ? invalidArgument(`${FIELD}.run_as_username`, `the image's /etc/passwd has no "${user}"`)
    : invalidArgument('config.image', `its own user "${user}" is not in /etc/passwd`);
}

function requireId(name: string, text: string): number {
  return requireInteger(`${FIELD}.${name}`, text, 0, MAX_ID);
}

function unique(ids: number[]): number[] {
  return [...new Set(ids)];
}
