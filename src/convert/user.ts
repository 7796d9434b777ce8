import { invalidArgument } from '../util/cri-error.js';
import type { Int64Value__Output } from '../gen/runtime/v1/Int64Value.js';
import { SupplementalGroupsPolicy } from '../gen/runtime/v1/SupplementalGroupsPolicy.js';
import type { SupplementalGroupsPolicy__Output } from '../gen/runtime/v1/SupplementalGroupsPolicy.js';
import { checkText, requireInteger, unsupported } from './validate.js';

/** The user fields that the security contexts of sandboxes and containers share. */
export interface UserFields {
  run_as_user: Int64Value__Output | null;
  run_as_group: Int64Value__Output | null;
  /** Containers only. */
  run_as_username?: string;
  supplemental_groups: string[];
  supplemental_groups_policy: SupplementalGroupsPolicy__Output;
}

/** What the image's passwd and group files say of the user that the container will run as. */
export interface ImageUser {
  gid: number;
  supplementalGroups: number[];
}

const FIELD = 'config.linux.security_context';
const MAX_ID = 2 ** 31 - 1;
const MAX_USERNAME_BYTES = 256;

/**
 * `Config.User` and `HostConfig.GroupAdd`. Docker adds the image's groups of a user exactly when no group is named
 * beside it. So policy Strict needs the gid named, from `run_as_group` or from the image; and policy Merge with
 * `run_as_group` needs the image's groups added by hand. `imageUser` is undefined where the image was not looked into:
 * Strict without `run_as_group` is refused then, and Merge with it has the groups of the request only.
 */
export function userAndGroups(
  fields: UserFields,
  imageUser?: ImageUser,
): { User: string; GroupAdd: string[] } {
  const user = userText(fields);
  const runAsGroup = fields.run_as_group && requireId('run_as_group', fields.run_as_group.value);
  if (user === '' && runAsGroup !== null) {
    throw invalidArgument(`${FIELD}.run_as_group`, 'needs run_as_user or run_as_username');
  }
  const groups = fields.supplemental_groups.map((group, index) =>
    requireId(`supplemental_groups[${index}]`, group),
  );
  const strict = fields.supplemental_groups_policy === SupplementalGroupsPolicy.Strict;
  if (strict) {
    const gid = runAsGroup ?? imageUser?.gid;
    if (gid === undefined || user === '') {
      throw unsupported(
        `${FIELD}.supplemental_groups_policy`,
        'Strict needs run_as_user and run_as_group here',
      );
    }
    return { User: `${user}:${gid}`, GroupAdd: unique(groups) };
  }
  if (runAsGroup === null) return { User: user, GroupAdd: unique(groups) };
  return {
    User: `${user}:${runAsGroup}`,
    GroupAdd: unique([...groups, ...(imageUser?.supplementalGroups ?? [])]),
  };
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

function requireId(name: string, text: string): number {
  return requireInteger(`${FIELD}.${name}`, text, 0, MAX_ID);
}

function unique(ids: number[]): string[] {
  return [...new Set(ids)].map(String);
}
