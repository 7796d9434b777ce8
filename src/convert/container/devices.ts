import type { DeviceMapping, DeviceRequest } from '../../docker/types.js';
import type { CDIDevice__Output } from '../../gen/runtime/v1/CDIDevice.js';
import type { Device__Output } from '../../gen/runtime/v1/Device.js';
import { invalidArgument } from '../../util/cri-error.js';
import { checkAbsolutePath, unsupported } from '../text/validate.js';

const ALL_PERMISSIONS = 'rwm';

/** vendor/class=name, as the Container Device Interface has it. */
const CDI_NAME = /^[A-Za-z][\w.-]*\/[A-Za-z][\w-]*=[A-Za-z0-9][\w.:-]*$/;

/** First Engine API whose daemons know CDI devices. */
const CDI_API_VERSION = '1.44';

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

/** `HostConfig.DeviceRequests` for devices by CDI name. */
export function cdiRequests(
  devices: CDIDevice__Output[],
  supports: (apiVersion: string) => boolean,
): DeviceRequest[] {
  if (devices.length === 0) return [];
  devices.forEach(({ name }, index) => {
    if (!CDI_NAME.test(name)) {
      throw invalidArgument(
        `config.CDI_devices[${index}].name`,
        'must be a name such as vendor.com/class=device',
      );
    }
  });
  if (!supports(CDI_API_VERSION)) {
    throw unsupported('config.CDI_devices', `needs Docker Engine API ${CDI_API_VERSION}`);
  }
  return [{ Driver: 'cdi', DeviceIDs: devices.map(({ name }) => name) }];
}
