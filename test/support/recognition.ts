import { OWN_LABEL_PREFIX } from '../../src/convert/text/labels.js';
import { NAME } from '../../src/convert/text/names.js';
import type { RecognitionSources } from '../../src/state/recognise.js';

/** For tests of what comes after: every container was sealed with the labels and the name that it has. */
export const everySealHolds: RecognitionSources = {
  seal: {
    open: ({ Name: name, Config: { Labels: labels } }) => ({
      name: labels?.[OWN_LABEL_PREFIX + NAME] ?? name.replace(/^\//, ''),
      labels: labels ?? {},
    }),
  },
  imageLabels: () => Promise.resolve(undefined),
  holderOf: () => Promise.resolve(undefined),
};
