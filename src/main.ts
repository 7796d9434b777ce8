#!/usr/bin/env node
import { run } from './app.js';
import { UsageError, parseCommandLine } from './cli/command-line.js';
import { ConfigError, loadConfig } from './cli/config.js';
import { buildInfoText, programName, readBuildInfo, versionLine } from './cli/version.js';
import { messageOf } from './util/cri-error.js';

/** Wrong flags or settings: starting again will not help. */
const EXIT_USAGE = 2;
const EXIT_FAILURE = 1;

async function main(program: string): Promise<number> {
  const command = await parseCommandLine(process.argv.slice(2), program);
  switch (command.kind) {
    case 'help':
      console.log(command.text);
      return 0;
    case 'version':
      console.log(versionLine(program, readBuildInfo()));
      return 0;
    case 'build-info':
      console.log(buildInfoText(program, readBuildInfo()));
      return 0;
    case 'serve': {
      const load = () => loadConfig(command.given, command.configFile);
      return run(load(), load);
    }
  }
}

const program = programName(process.argv[1]);
try {
  process.exit(await main(program));
} catch (error) {
  if (error instanceof ConfigError) {
    console.error(
      `${program}: the settings cannot be used:\n${error.problems.map((line) => `  ${line}`).join('\n')}`,
    );
  } else if (error instanceof UsageError) {
    console.error(`${program}: ${error.message}`);
  } else {
    console.error(`${program}: ${messageOf(error)}`);
  }
  process.exit(error instanceof ConfigError || error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE);
}
