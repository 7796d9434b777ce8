import { COMMANDS, COMMAND_FLAGS } from './commands.js';
import { OPTIONS, OPTION_NAMES } from './options.js';

/** A script for bash that completes cridock's commands, flags, and the paths that flags take. */
export function bashCompletion(): string {
  const commands = Object.keys(COMMANDS).filter((name) => name !== '');
  const firstWords = [...new Set(commands.map((name) => name.split(' ')[0] ?? ''))];
  const settings = ['config', ...OPTION_NAMES].map((name) => `--${name}`);
  const more = [...Object.keys(COMMAND_FLAGS), 'version', 'buildinfo', 'help'].map((name) => `--${name}`);
  const paths = OPTION_NAMES.filter((name) => OPTIONS[name].default.startsWith('/'));
  return `# bash completion of cridock and of its alias cri-dockerd
_cridock() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  case $before in
    ${['config', 'kubelet-config', ...paths].map((name) => `--${name}`).join(' | ')})
      COMPREPLY=($(compgen -f -- "$word"))
      return
      ;;
    --from | --to)
      COMPREPLY=($(compgen -W cri-dockerd -- "$word"))
      return
      ;;
    config)
      COMPREPLY=($(compgen -W print -- "$word"))
      return
      ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W '${[...settings, ...more].join(' ')}' -- "$word")) ;;
    *) COMPREPLY=($(compgen -W '${firstWords.join(' ')}' -- "$word")) ;;
  esac
}
complete -o filenames -F _cridock cridock cri-dockerd`;
}
