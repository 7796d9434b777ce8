import { readFileSync } from 'node:fs';
import { parseCommandLine, UsageError, type Command, type GivenSettings } from './cli/command-line.js';
import { completionScript } from './cli/completion.js';
import { configFiles } from './cli/config-files.js';
import { ConfigError, loadConfig, type SettingSources } from './cli/config.js';
import { printConfig } from './cli/print-config.js';
import { buildInfoText, programName, readBuildInfo, versionLine } from './cli/version.js';
import type { OfService } from './unit/of-service.js';
import { messageOf } from './util/cri-error.js';
import { invokedAs, nameProcess, ownCommand } from './util/own-program.js';

/** Wrong flags or settings: starting again will not help. */
const EXIT_USAGE = 2;
const EXIT_FAILURE = 1;
/** Where units of this machine's own are. */
const UNIT_DIRECTORY = '/etc/systemd/system';

/** Does what the command line asks for; answers the exit code, and tells errors on stderr. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const program = programName(invokedAs());
  let code: number;
  try {
    const command = await parseCommandLine(argv, program);
    code = await runCommand(command, program);
    // Of the service nobody waits for its last words: its end has a limit.
    if (command.kind === 'serve') return code;
  } catch (error) {
    code = reportFailure(program, error);
  }
  await Promise.all([process.stdout, process.stderr].map(untilWritten));
  return code;
}

/** Until a reader has taken all that was written, or is gone: a pipe holds 64 KiB, and the process's end would cut off the rest. */
function untilWritten(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('error', () => resolve());
    stream.once('close', () => resolve());
    stream.write('', () => resolve());
  });
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
      console.log(completionScript(command.shell));
      return 0;
    case 'config-print':
      console.log(
        printConfig(
          command.ofService ? (await ofService(command.settings)).sources : sourcesOf(command.settings),
        ),
      );
      return 0;
    case 'config-import':
      return importUnit(command.unitFile);
    case 'doctor':
      return doctor(command);
    case 'status':
      return status(command);
    case 'sysdump': {
      const { writeSysdump } = await import('./sysdump/sysdump.js');
      const { path, files } = await writeSysdump(await ofService(command.settings), command.output);
      console.error(`${path}: ${files.length} files; read it before you send it`);
      return 0;
    }
    case 'migrate':
      return handOver(command);
    case 'serve': {
      nameProcess(program);
      const load = () => loadConfig(sourcesOf(command.settings));
      const { run } = await import('./app/run.js');
      return run(load(), load);
    }
  }
}

async function doctor(command: Extract<Command, { kind: 'doctor' }>): Promise<number> {
  const { examineNode, findingsText } = await import('./doctor/doctor.js');
  const service = await ofService(command.settings);
  const findings = await examineNode(service, command.kubeletConfig);
  console.log(command.json ? JSON.stringify(findings, undefined, 2) : findingsText(findings));
  return findings.some(({ level }) => level === 'failure') ? EXIT_FAILURE : 0;
}

async function status({ settings, json, watch }: Extract<Command, { kind: 'status' }>): Promise<number> {
  const { readStatus, showStatus } = await import('./status/status.js');
  if (json) {
    const now = await readStatus(await ofService(settings));
    console.log(JSON.stringify(now, undefined, 2));
    return now.ready ? 0 : EXIT_FAILURE;
  }
  const interrupted = new AbortController();
  if (watch) process.once('SIGINT', () => interrupted.abort());
  const isReady = await showStatus(
    () => ofService(settings),
    process.stdout,
    watch ? { stopped: interrupted.signal } : undefined,
  );
  return isReady ? 0 : EXIT_FAILURE;
}

async function handOver(command: Extract<Command, { kind: 'migrate' }>): Promise<number> {
  const { direction, dryRun, json } = command;
  const { migrate, migrationText } = await import('./migrate/migrate.js');
  const { untilServes } = await import('./migrate/verify.js');
  // What is wrong with the unit's flags stands in the way of the switch, which says so.
  const { config } = await ofService(command.settings);
  const options = {
    direction,
    dryRun,
    program: ownCommand(),
    unitDirectory: UNIT_DIRECTORY,
    verify: () => untilServes(config.endpoint),
  };
  const migration = await migrate(config, options);
  console.log(json ? JSON.stringify(migration, undefined, 2) : migrationText(migration, options));
  return migration.obstacle === undefined ? 0 : EXIT_FAILURE;
}

async function importUnit(path: string): Promise<number> {
  const { execStartOf, splitWords } = await import('./unit/exec-start.js');
  const { environmentIn } = await import('./unit/environment.js');
  const { importFlags } = await import('./cli/import-flags.js');
  const text = readFileSync(path, 'utf8');
  const execStart = execStartOf(text);
  if (execStart === undefined) throw new Error(`${path} has no ExecStart`);
  console.log(importFlags(splitWords(execStart.flags, await environmentIn(text)), path).text);
  return 0;
}

async function ofService(given: GivenSettings): Promise<OfService> {
  const { lookAtService } = await import('./unit/of-service.js');
  return lookAtService(given, process.env, ownCommand());
}

function sourcesOf({ flags, configFile }: GivenSettings): SettingSources {
  return { flags, env: process.env, configFiles: configFiles(configFile) };
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
