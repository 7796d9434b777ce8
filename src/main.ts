#!/usr/bin/env node
import { NETNS_HELPER } from './network/netns-protocol.js';
import { optimiseNot } from './util/own-program.js';

optimiseNot();

// An executable file has no other way to start one of its parts.
if (process.argv[2] === NETNS_HELPER) {
  void import('./network/netns-helper.js');
} else {
  void import('./program.js').then(async ({ runProgram }) =>
    process.exit(await runProgram(process.argv.slice(2))),
  );
}
