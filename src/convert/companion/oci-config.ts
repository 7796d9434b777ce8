import type { IdMap } from './id-maps.js';

/** As much of OCI's config.json as is looked at or changed; all else stays as it is. */
export interface OciConfig {
  readonly root?: { readonly path?: string };
  readonly mounts?: readonly OciMount[];
  readonly hooks?: OciHooks;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly process?: {
    readonly args?: readonly string[];
    readonly env?: readonly string[];
    readonly user?: {
      readonly uid?: number;
      readonly gid?: number;
      readonly additionalGids?: readonly number[];
    };
    readonly capabilities?: Partial<Record<CapabilitySet, readonly string[]>>;
    readonly rlimits?: readonly OciRlimit[];
  };
  readonly linux?: {
    readonly namespaces?: readonly OciNamespace[];
    readonly sysctl?: Readonly<Record<string, string>>;
    readonly devices?: readonly OciDevice[];
    readonly netDevices?: Readonly<Record<string, OciNetDevice>>;
    readonly intelRdt?: OciIntelRdt;
    readonly rootfsPropagation?: string;
    readonly resources?: Readonly<Record<string, unknown>> & { readonly devices?: readonly OciDeviceRule[] };
    readonly uidMappings?: readonly IdMap[];
    readonly gidMappings?: readonly IdMap[];
  };
}

export interface OciNamespace {
  readonly type: string;
  readonly path?: string;
}

export interface OciMount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IdMap[];
  readonly gidMappings?: readonly IdMap[];
}

export type CapabilitySet = 'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient';

/** A device node that is made in the container. */
export interface OciDevice {
  readonly path: string;
  /** `c`, `u`, `b` or `p`. */
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
  /** Permission bits. */
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** What the container may do with devices. The last that fits counts; all major or minor numbers where there is none. */
export interface OciDeviceRule {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  /** Some of `rwm`. */
  readonly access?: string;
}

export const HOOK_NAMES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;
export type HookName = (typeof HOOK_NAMES)[number];
export type OciHooks = Partial<Record<HookName, readonly OciHook[]>>;

export interface OciHook {
  readonly path: string;
  /** The program's own name first. */
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** In seconds. */
  readonly timeout?: number;
}

export interface OciRlimit {
  /** Such as `RLIMIT_NOFILE`. */
  readonly type: string;
  readonly soft: number | bigint;
  readonly hard: number | bigint;
}

/** What an interface of the node is called in the container that it moves into. */
export interface OciNetDevice {
  readonly name?: string;
}

export interface OciIntelRdt {
  readonly closID?: string;
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly schemata?: readonly string[];
  readonly enableMonitoring?: boolean;
}
