/**
 * Does the work once the answers that are under way have left: that of a gRPC call in two turns of the event loop, the message in this
 * one and the status, which clients wait for, in the next.
 */
export function afterAnswers(work: () => void): void {
  setImmediate(() => setImmediate(work));
}
