import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RegisterPluginRequest__Output } from '../gen/nri/pkg/api/v1alpha1/RegisterPluginRequest.js';
import type { UpdateContainersRequest__Output } from '../gen/nri/pkg/api/v1alpha1/UpdateContainersRequest.js';
import type { UpdateContainersResponse } from '../gen/nri/pkg/api/v1alpha1/UpdateContainersResponse.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { subscribedEvents } from './events.js';
import { Plugin, type PluginIdentity, type PluginOptions } from './plugin.js';
import { checkPluginName } from './plugin-names.js';
import { RUNTIME_SERVICE } from './protocol.js';
import { Link } from './wire/link.js';

/** The version of NRI's Go module whose behaviour this is. */
export const NRI_VERSION = 'v0.12.5';

const LONGEST_SHOWN = 64;

/** What plugins are told of the runtime, and may ask of it. */
export interface RegistrationOptions extends Omit<PluginOptions, 'identity' | 'link'> {
  readonly runtimeVersion: string;
  readonly registrationTimeoutMs: number;
  /** Told what it wants to be called, also where that cannot be. */
  readonly onNamed: (name: string) => void;
  /** Serves `UpdateContainers` of a plugin that has registered. */
  readonly onUpdate: (
    plugin: Plugin,
    request: UpdateContainersRequest__Output,
  ) => Promise<UpdateContainersResponse>;
}

/** A plugin that cridock has started: it goes by its file's name, whatever it registers as. */
export interface StartedIdentity {
  readonly identity: PluginIdentity;
  readonly config: string;
}

/**
 * Has a plugin register on its connection, and configures it. Throws an Error, with the connection closed, when that takes too
 * long or it registers badly.
 */
export async function registerPlugin(
  socket: Duplex,
  options: RegistrationOptions,
  started?: StartedIdentity,
): Promise<Plugin> {
  const { protocol, registrationTimeoutMs } = options;
  let plugin: Plugin | undefined;
  let refusal: unknown;
  let onRegistered: (plugin: Plugin) => void = () => undefined;
  const registered = new Promise<Plugin>((resolve) => (onRegistered = resolve));
  const asked = (request: RegisterPluginRequest__Output): PluginIdentity => {
    try {
      return identityIn(request);
    } catch (error) {
      options.onNamed(nameToShow(request));
      refusal = error;
      throw error;
    }
  };
  const link: Link = new Link(socket, async (service, method, payload) => {
    if (service !== RUNTIME_SERVICE) throw new CriError(Code.UNIMPLEMENTED, `no service ${service}`);
    if (method === 'RegisterPlugin') {
      if (plugin !== undefined) throw new CriError(Code.FAILED_PRECONDITION, 'the plugin is registered');
      const request = protocol.decode('RegisterPluginRequest', payload);
      const identity = started?.identity ?? asked(request);
      options.onNamed(`${identity.index}-${identity.base}`);
      plugin = new Plugin({ ...options, identity, link });
      onRegistered(plugin);
      return protocol.encode('Empty', {});
    }
    if (method !== 'UpdateContainers') throw new CriError(Code.UNIMPLEMENTED, `no method ${method}`);
    if (plugin === undefined) throw new CriError(Code.FAILED_PRECONDITION, 'the plugin is not registered');
    const request = protocol.decode('UpdateContainersRequest', payload);
    return protocol.encode('UpdateContainersResponse', await options.onUpdate(plugin, request));
  });
  const overdue = setTimeout(() => link.close('it did not register in time'), registrationTimeoutMs);
  try {
    const made = await Promise.race([registered, link.closed]);
    if (typeof made === 'string') throw new Error(refusal === undefined ? made : messageOf(refusal));
    clearTimeout(overdue);
    await nextTurn(); // its registration is answered first
    await configure(made, options, started?.config ?? '');
    return made;
  } catch (error) {
    link.close('it did not register as it should');
    throw error;
  } finally {
    clearTimeout(overdue);
  }
}

function identityIn({ plugin_idx: index, plugin_name: base }: RegisterPluginRequest__Output): PluginIdentity {
  try {
    checkPluginName(index, base);
  } catch (error) {
    throw new CriError(Code.INVALID_ARGUMENT, messageOf(error));
  }
  return { index, base, isStarted: false };
}

/** A name that a plugin cannot have, in print. */
function nameToShow({ plugin_idx: index, plugin_name: base }: RegisterPluginRequest__Output): string {
  return `${index}-${base}`.replace(/[^A-Za-z0-9_.+-]/g, '?').slice(0, LONGEST_SHOWN);
}

async function configure(plugin: Plugin, options: RegistrationOptions, config: string): Promise<void> {
  const { registrationTimeoutMs, requestTimeoutMs, runtimeVersion } = options;
  const request = {
    config,
    runtime_name: 'cridock',
    runtime_version: runtimeVersion,
    registration_timeout: registrationTimeoutMs,
    request_timeout: requestTimeoutMs,
    NRI_version: NRI_VERSION,
  };
  const { events, failure_policy: policy } = await plugin.call(
    'Configure',
    'ConfigureRequest',
    request,
    'ConfigureResponse',
    requestTimeoutMs,
  );
  plugin.subscribe(subscribedEvents(events), policy);
}
