import { isIP } from 'node:net';
import { invalidArgument } from '../../util/cri-error.js';

/** Refuses what is not a comma list of CIDRs such as `10.244.1.0/24,fd00::/64`. */
export function checkPodCidr(field: string, podCidr: string): void {
  for (const cidr of podCidr.split(',')) {
    if (!isCidr(cidr.trim())) throw invalidArgument(field, `"${cidr}" is not a CIDR`);
  }
}

function isCidr(text: string): boolean {
  const [, address = '', length = ''] = /^(.+)\/(\d{1,3})$/.exec(text) ?? [];
  const bits = isIP(address) === 6 ? 128 : 32;
  return isIP(address) !== 0 && Number(length) <= bits;
}
