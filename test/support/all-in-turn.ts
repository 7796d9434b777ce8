/**
 * Does all of these, one after the other, whatever fails; then rejects with what did. To clear up after tests: node:test runs no
 * further hook once one has thrown, and what stays is in the way of the tests that follow.
 */
export async function allInTurn(...steps: (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures);
}
