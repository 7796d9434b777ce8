import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signalNumber, stopSignalName } from '../../../../src/convert/container/stop-signal.js';
import { Signal } from '../../../../src/gen/runtime/v1/Signal.js';
import { assertRefused } from '../refusals.js';

describe('stop signals', () => {
  it("have Docker's names", () => {
    assert.equal(stopSignalName(Signal.SIGNAL_RUNTIME_DEFAULT), undefined);
    assert.equal(stopSignalName(Signal.SIGNAL_SIGTERM), 'SIGTERM');
    assert.equal(stopSignalName(Signal.SIGNAL_SIGRTMINPLUS3), 'SIGRTMIN+3');
    assert.equal(stopSignalName(Signal.SIGNAL_SIGRTMAXMINUS14), 'SIGRTMAX-14');
  });

  it('go there and back, all of them', () => {
    for (const signal of Object.values(Signal)) {
      const name = stopSignalName(signal);
      if (name !== undefined) assert.equal(signalNumber(name), signal, name);
    }
  });

  it('are read from what images hold', () => {
    const expected: [string | undefined, number][] = [
      [undefined, Signal.SIGNAL_SIGTERM],
      ['', Signal.SIGNAL_SIGTERM],
      ['nonsense', Signal.SIGNAL_SIGTERM],
      ['0', Signal.SIGNAL_SIGTERM],
      ['quit', Signal.SIGNAL_SIGQUIT],
      ['SIGQUIT', Signal.SIGNAL_SIGQUIT],
      ['3', Signal.SIGNAL_SIGQUIT],
      ['15', Signal.SIGNAL_SIGTERM],
      ['28', Signal.SIGNAL_SIGWINCH],
      ['34', Signal.SIGNAL_SIGRTMIN],
      ['37', Signal.SIGNAL_SIGRTMINPLUS3],
      ['49', Signal.SIGNAL_SIGRTMINPLUS15],
      ['50', Signal.SIGNAL_SIGRTMAXMINUS14],
      ['64', Signal.SIGNAL_SIGRTMAX],
      ['65', Signal.SIGNAL_SIGTERM],
    ];
    for (const [text, signal] of expected) assert.equal(signalNumber(text), signal, text);
  });

  it('that CRI does not know are refused', () => {
    assertRefused(() => stopSignalName(99 as 0), 'config.stop_signal');
  });
});
