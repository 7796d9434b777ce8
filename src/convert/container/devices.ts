import type { DeviceMapping, DeviceRequest, EngineInfo } from '../../docker/types.js';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import type { Device__Output } from '../../gen/runtime/v1/Device.js';
import { invalidArgument } from '../../util/cri-error.js';
import { checkAbsolutePath } from '../text/validate.js';

const ALL_PERMISSIONS = 'rwm';

/** vendor/class=name, as the Container Device Interface has it. */
const CDI_NAME = /^[A-Za-z][\w.-]*\/[A-Za-z][\w-]*=[A-Za-z0-9][\w.:-]*$/;

const CDI_ANNOTATION_PREFIX = 'cdi.k8s.io/';

/** First Engine API whose daemons know CDI devices. */
const CDI_API_VERSION = '1.44';

const USUAL_CDI_FOLDERS: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** `HostConfig.Devices`. Whether the device nodes exist is for the caller to check: Docker tells only at the start. */
export function deviceMappings(devices: Device__Output[]): DeviceMapping[] {
  return devices.map(({ host_path: hostPath, container_path: containerPath, permissions }, index) => {
    const field = `config.devices[${index}]`;
    checkAbsolutePath(`${field}.host_path`, hostPath);
    if (containerPath !== '') checkAbsolutePath(`${field}.container_path`, containerPath);
    if (!/^[rwm]*$/.test(permissions))
      throw invalidArgument(`${field}.permissions`, 'must be made of r, w and m');
    return {
      PathOnHost: hostPath,
      PathInContainer: containerPath || hostPath,
      CgroupPermissions: permissions || ALL_PERMISSIONS,
    };
  });
}

/** A device that the request names by the Container Device Interface, and where it does so. */
export interface CdiDevice {
  readonly field: string;
  readonly name: string;
}

/**
 * The CDI devices of a request, each once: its `CDI_devices`, and annotations below `cdi.k8s.io/` with names separated by
 * commas, which kubelets before 1.28 and some device plugins send. INVALID_ARGUMENT for what is no name of a device.
 */
export function cdiDevices({
  CDI_devices: listed,
  annotations,
}: Pick<ContainerConfig__Output, 'CDI_devices' | 'annotations'>): CdiDevice[] {
  const named = [
    ...listed.map(({ name }, index) => ({ field: `config.CDI_devices[${index}].name`, name })),
    ...Object.entries(annotations).flatMap(([key, value]) =>
      key.startsWith(CDI_ANNOTATION_PREFIX)
        ? value.split(',').map((name) => ({ field: `config.annotations[${JSON.stringify(key)}]`, name }))
        : [],
    ),
  ];
  const devices = new Map<string, CdiDevice>();
  for (const device of named) {
    if (!CDI_NAME.test(device.name))
      throw invalidArgument(device.field, 'must be a name such as vendor.com/class=device');
    if (!devices.has(device.name)) devices.set(device.name, device);
  }
  return [...devices.values()];
}

/** `HostConfig.DeviceRequests` for CDI devices that the Engine is to give. */
export function cdiRequests(devices: readonly CdiDevice[]): DeviceRequest[] {
  return devices.length === 0 ? [] : [{ Driver: 'cdi', DeviceIDs: devices.map(({ name }) => name) }];
}

/**
 * True where the Engine gives CDI devices itself: where the companion runtime cannot. Some Engines forget the groups of a device
 * (28.5), and in user namespaces they show its files without the pod's owners.
 */
export function isCdiByEngine(
  { CDISpecDirs: folders }: Pick<EngineInfo, 'CDISpecDirs'>,
  supports: (apiVersion: string) => boolean,
  hasCompanion: boolean,
): boolean {
  return !hasCompanion && supports(CDI_API_VERSION) && (folders ?? []).length > 0;
}

/** Folders of CDI's specifications: the Engine's, or those that are usual. */
export function cdiFolders({ CDISpecDirs: folders }: Pick<EngineInfo, 'CDISpecDirs'>): readonly string[] {
  return folders && folders.length > 0 ? folders : USUAL_CDI_FOLDERS;
}
