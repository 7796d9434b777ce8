import { isIP } from 'node:net';
import type { HostConfig } from '../../docker/types.js';
import type { DNSConfig__Output } from '../../gen/runtime/v1/DNSConfig.js';
import { invalidArgument } from '../../util/cri-error.js';

// Docker fills an empty list from the host's resolv.conf. These say "none" instead.
const NO_SEARCH = ['.'];
const NO_OPTIONS = [''];

/**
 * The resolver settings of a sandbox, which its members share. Without a `dns_config`, or with an empty one, Docker
 * takes the host's; otherwise the pod gets what was asked and nothing from the host.
 */
export function sandboxDns(
  dns: DNSConfig__Output | null,
): Pick<HostConfig, 'Dns' | 'DnsSearch' | 'DnsOptions'> {
  if (!dns || dns.servers.length + dns.searches.length + dns.options.length === 0) return {};
  dns.servers.forEach((server, index) => {
    // A zone, as in fe80::1%eth0, is part of an address for resolv.conf.
    if (isIP(server) === 0)
      throw invalidArgument(`config.dns_config.servers[${index}]`, 'must be an IP address');
  });
  checkWords('config.dns_config.searches', dns.searches);
  checkWords('config.dns_config.options', dns.options);
  return {
    ...(dns.servers.length > 0 && { Dns: dns.servers }),
    DnsSearch: dns.searches.length > 0 ? dns.searches : NO_SEARCH,
    DnsOptions: dns.options.length > 0 ? dns.options : NO_OPTIONS,
  };
}

/** A blank or a line break would add a word or a line to the pod's resolv.conf. */
function checkWords(field: string, words: string[]): void {
  words.forEach((word, index) => {
    if (!/^[^\s\0]+$/.test(word)) throw invalidArgument(`${field}[${index}]`, 'must be one word');
  });
}
