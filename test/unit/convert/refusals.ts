import assert from 'node:assert/strict';
import { Code, CriError, type CodeName } from '../../../src/util/cri-error.js';

/** Asserts that the action is refused with this code, by a message that begins with the field's name. */
export function assertRefused(
  action: () => unknown,
  field: string,
  code: CodeName = 'INVALID_ARGUMENT',
): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof CriError, String(error));
    assert.equal(error.code, Code[code], error.message);
    assert.ok(error.message.startsWith(`${field}: `), `"${error.message}" does not begin with ${field}`);
    return true;
  });
}
