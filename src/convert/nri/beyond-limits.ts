import type { ContainerAdjustment } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';

/** The names of what is adjusted beside limits. */
export function adjustmentsBeyondLimits({ linux, hooks, ...adjust }: ContainerAdjustment): string[] {
  const isSet = (value: unknown): boolean =>
    Array.isArray(value)
      ? value.length > 0
      : typeof value === 'object' && value !== null
        ? Object.keys(value).length > 0
        : value !== undefined && value !== '' && value !== null;
  const namesIn = (members: object): string[] =>
    Object.entries(members).flatMap(([name, value]) => (isSet(value) ? [name] : []));
  return [
    ...namesIn(adjust),
    ...(hooks && namesIn(hooks).length > 0 ? ['hooks'] : []),
    ...namesIn({ ...linux, resources: undefined }).map((name) => `linux.${name}`),
  ];
}
