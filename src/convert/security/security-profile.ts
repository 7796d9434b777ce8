import { Code, CriError, invalidArgument } from '../../util/cri-error.js';
import type { SecurityProfile__Output } from '../../gen/runtime/v1/SecurityProfile.js';
import { _runtime_v1_SecurityProfile_ProfileType as ProfileType } from '../../gen/runtime/v1/SecurityProfile.js';
import { checkAbsolutePath } from '../text/validate.js';

/** A seccomp or AppArmor profile as asked for, in the new field or the deprecated one. */
export type Profile = { kind: 'default' } | { kind: 'unconfined' } | { kind: 'localhost'; reference: string };

interface SeccompFields {
  seccomp: SecurityProfile__Output | null;
  seccomp_profile_path: string;
}

/** Sandboxes have the new field only. */
export interface AppArmorFields {
  apparmor: SecurityProfile__Output | null;
  apparmor_profile?: string;
}

const FIELD = 'config.linux.security_context';
const LOCALHOST_PREFIX = 'localhost/';

/**
 * The seccomp profile that was asked for; `whenUnset` decides where neither field says anything. The reference of a
 * localhost profile is the absolute path of its file on the node.
 */
export function seccompProfile(fields: SeccompFields, whenUnset: Profile): Profile {
  const field = fields.seccomp ? `${FIELD}.seccomp.localhost_ref` : `${FIELD}.seccomp_profile_path`;
  const profile = fields.seccomp
    ? newForm(`${FIELD}.seccomp`, fields.seccomp)
    : deprecatedForm(field, fields.seccomp_profile_path, whenUnset);
  if (profile.kind === 'localhost') checkAbsolutePath(field, profile.reference);
  return profile;
}

/** The AppArmor profile that was asked for. The reference of a localhost profile is the name it is loaded under. */
export function appArmorProfile(fields: AppArmorFields): Profile {
  return fields.apparmor
    ? newForm(`${FIELD}.apparmor`, fields.apparmor)
    : deprecatedForm(`${FIELD}.apparmor_profile`, fields.apparmor_profile ?? '', { kind: 'default' });
}

/**
 * The `SecurityOpt` entries for a seccomp profile. `fileText` is what the caller read from a localhost profile's file:
 * it goes to Docker as it is, which does not read files by path.
 */
export function seccompOptions(profile: Profile, fileText: string | undefined): string[] {
  switch (profile.kind) {
    case 'default':
      return [];
    case 'unconfined':
      return ['seccomp=unconfined'];
    case 'localhost':
      if (fileText === undefined) {
        throw new CriError(Code.INTERNAL, `seccomp profile ${profile.reference} was not read`);
      }
      checkJsonObject(profile.reference, fileText);
      return [`seccomp=${fileText}`];
  }
}

/** The `SecurityOpt` entries for an AppArmor profile. */
export function appArmorOptions(profile: Profile): string[] {
  if (profile.kind === 'default') return [];
  return [`apparmor=${profile.kind === 'unconfined' ? 'unconfined' : profile.reference}`];
}

function newForm(field: string, profile: SecurityProfile__Output): Profile {
  switch (profile.profile_type) {
    case ProfileType.RuntimeDefault:
      return { kind: 'default' };
    case ProfileType.Unconfined:
      return { kind: 'unconfined' };
    case ProfileType.Localhost:
      return localhost(`${field}.localhost_ref`, profile.localhost_ref);
    default:
      throw invalidArgument(`${field}.profile_type`, 'is unknown');
  }
}

function deprecatedForm(field: string, text: string, whenUnset: Profile): Profile {
  if (text === '') return whenUnset;
  if (text === 'runtime/default' || text === 'docker/default') return { kind: 'default' };
  if (text === 'unconfined') return { kind: 'unconfined' };
  if (text.startsWith(LOCALHOST_PREFIX)) return localhost(field, text);
  throw invalidArgument(field, 'must be runtime/default, unconfined or localhost/<profile>');
}

function localhost(field: string, text: string): Profile {
  const reference = text.startsWith(LOCALHOST_PREFIX) ? text.slice(LOCALHOST_PREFIX.length) : text;
  if (reference === '' || reference.includes('\0')) throw invalidArgument(field, 'must name a profile');
  return { kind: 'localhost', reference };
}

function checkJsonObject(path: string, text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidArgument(`${FIELD}.seccomp.localhost_ref`, `${path} is not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(`${FIELD}.seccomp.localhost_ref`, `${path} is not a seccomp profile`);
  }
}
