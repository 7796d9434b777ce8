import type { ListMetricDescriptorsResponse } from '../../gen/runtime/v1/ListMetricDescriptorsResponse.js';
import { METRICS, COMMON_LABELS } from '../../stats/metric-descriptors.js';

/** What ListPodSandboxMetrics may answer (CRI: ListMetricDescriptors); the same for the life of the process. */
export async function listMetricDescriptors(): Promise<ListMetricDescriptorsResponse> {
  return Promise.resolve({
    descriptors: Object.entries(METRICS).map(([name, { help, labels }]) => ({
      name,
      help,
      label_keys: [...COMMON_LABELS, ...labels],
    })),
  });
}
