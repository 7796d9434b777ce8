import { parseCommandLine, UsageError, type Command, type GivenSettings } from './cli/command-line.js';
import { bashCompletion } from './cli/completion.js';
import { ConfigError, loadConfig, type SettingSources } from './cli/config.js';
import { printConfig } from './cli/print-config.js';
import { buildInfoText, programName, readBuildInfo, versionLine } from './cli/version.js';
import { messageOf } from './util/cri-error.js';
import { invokedAs, ownCommand } from './util/own-program.js';

/** Wrong flags or settings: starting again will not help. */
const EXIT_USAGE = 2;
const EXIT_FAILURE = 1;
/** Where units of this machine's own are. */
const UNIT_DIRECTORY = '/etc/systemd/system';

/** Does what the command line asks for; answers the exit code, and tells errors on stderr. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const program = programName(invokedAs());
  try {
    return await runCommand(await parseCommandLine(argv, program), program);
  } catch (error) {
    return reportFailure(program, error);
  }
}

/** Each command loads the code that it needs, so that short ones are quick. */
async function runCommand(command: Command, program: string): Promise<number> {
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
    case 'completion':
      console.log(bashCompletion());
      return 0;
    case 'config-print':
      console.log(printConfig(sourcesOf(command.settings)));
      return 0;
    case 'doctor':
      return doctor(command);
    case 'migrate':
      return handOver(command);
    case 'serve': {
      const load = () => loadConfig(sourcesOf(command.settings));
      const { run } = await import('./app/run.js');
      return run(load(), load);
    }
  }
}

async function doctor(command: Extract<Command, { kind: 'doctor' }>): Promise<number> {
  const { examineNode, findingsText } = await import('./doctor/doctor.js');
  const findings = await examineNode(loadConfig(sourcesOf(command.settings)), command.kubeletConfig);
  console.log(command.json ? JSON.stringify(findings, undefined, 2) : findingsText(findings));
  return findings.some(({ level }) => level === 'failure') ? EXIT_FAILURE : 0;
}

async function handOver(command: Extract<Command, { kind: 'migrate' }>): Promise<number> {
  const { direction, dryRun, json } = command;
  const { migrate, migrationText } = await import('./migrate/migrate.js');
  const options = { direction, dryRun, program: ownCommand(), unitDirectory: UNIT_DIRECTORY };
  const migration = await migrate(loadConfig(sourcesOf(command.settings)), options);
  console.log(json ? JSON.stringify(migration, undefined, 2) : migrationText(migration, options));
  return 0;
}

function sourcesOf({ flags, configFile }: GivenSettings): SettingSources {
  return { flags, env: process.env, configFile };
}

function reportFailure(program: string, error: unknown): number {
  if (error instanceof ConfigError) {
    console.error(
      `${program}: the settings cannot be used:\n${error.problems.map((line) => `  ${line}`).join('\n')}`,
    );
  } else {
    console.error(`${program}: ${messageOf(error)}`);
  }
  return error instanceof ConfigError || error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}
