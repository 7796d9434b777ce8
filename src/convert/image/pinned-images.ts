import { fullName, normaliseEngineName, type ImageName } from './image-reference.js';

/**
 * Tells whether an image's full name is one that the kubelet must not collect. Patterns are names as users write them; in
 * them `*` stands for any text. One without a tag or digest means every tag; where there is a digest it decides, as when the
 * image is pulled: the Engine keeps no tag of what came by a digest.
 */
export function pinnedBy(patterns: readonly string[]): (fullName: string) => boolean {
  const expressions = patterns.map(patternExpression);
  return (name) => expressions.some((expression) => expression.test(name));
}

function patternExpression(pattern: string): RegExp {
  const parsed = pattern.includes('*') ? undefined : normaliseEngineName(pattern);
  const text = parsed === undefined ? pattern : fullName(deciding(parsed));
  const anyTag = parsed !== undefined && parsed.tag === undefined && parsed.digest === undefined;
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}${anyTag ? '([:@].*)?' : ''}$`);
}

function deciding(name: ImageName): ImageName {
  return name.digest === undefined ? name : { ...name, tag: undefined };
}
