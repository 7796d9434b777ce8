import { silentLogger } from '../../../src/util/log.js';
import { CniNetwork } from '../../../src/network/cni/cni-network.js';
import { podRequest } from './cni-setup.js';

/** A process that attaches a pod, to be killed while it does: `node crashing-node.js CONFDIR BINDIR CACHEDIR`. */
const [confDir = '', binDir = '', cacheDir = ''] = process.argv.slice(2);
const network = new CniNetwork({ confDir, binDirs: [binDir], cacheDir, podCidr: '', log: silentLogger });
await network.setUp(podRequest('a'));
