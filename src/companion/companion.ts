import { readFile } from 'node:fs/promises';
import type { Adjustments } from '../convert/companion/adjustments.js';
import { answerText, type RestoreAnswer } from '../convert/companion/answer.js';
import { editConfig, type ConfigEdit } from '../convert/companion/edit-config.js';
import { exactJsonText, readExactJson } from '../convert/companion/exact-json.js';
import type { OciConfig } from '../convert/companion/oci-config.js';
import type { OciEdits } from '../convert/companion/oci-edits.js';
import { imageOverlay, rootOverlay, type Overlay } from '../convert/companion/overlay.js';
import { parseMountinfo } from '../convert/text/mountinfo.js';
import type { EngineInfo } from '../docker/types.js';
import type { Logger } from '../util/log.js';
import { ownHelper } from '../util/own-program.js';
import { examineCompanion, type CompanionAbilities } from './examine.js';
import { Questions } from './questions.js';

/** What a start adds to what the container was made with. */
export interface StartFacts {
  readonly adjustments: Adjustments;
  /** As in `ConfigEdit`. */
  readonly userNamespacePath?: string | undefined;
  /** As in `ConfigEdit`. */
  readonly networkNamespacePath?: string | undefined;
  readonly hugePages: Readonly<Record<string, string>>;
  readonly unified: Readonly<Record<string, string>>;
  readonly edits?: readonly OciEdits[] | undefined;
  readonly restore?: RestoreFacts | undefined;
}

/** What a container is restored from. */
export interface RestoreFacts extends RestoreAnswer {
  /** Is given the root file system when it is mounted, before the runtime sees it. */
  readonly prepareRoot: (root: string) => Promise<void>;
}

/** systemd's form of a cgroup path: slice, prefix and name. */
const SYSTEMD_CGROUP = /^[^/:]*:[^/:]*:[^/:]+$/;

/**
 * The companion OCI runtime (deploy/companion): what it can do here, and the starts of containers through it. It is optional:
 * where anything of it is missing, so are the abilities.
 */
export class Companion {
  readonly #questions: Questions;
  readonly #supports: (apiVersion: string) => boolean;
  readonly #log: Logger;
  readonly #program: string;
  #examined: { readonly info: EngineInfo; readonly abilities: Promise<CompanionAbilities> } | undefined;
  /** What was found out last. */
  #known: CompanionAbilities | undefined;

  /** `program`: where the one that cridock brings is, if it is there. */
  constructor(
    rootDirectory: string,
    supports: (apiVersion: string) => boolean,
    log: Logger,
    program = ownHelper('oci/runc'),
  ) {
    this.#program = program;
    this.#questions = new Questions(rootDirectory, log);
    this.#supports = supports;
    this.#log = log;
  }

  /** Found out anew for each description of the Engine. */
  abilities(info: EngineInfo): Promise<CompanionAbilities> {
    if (this.#examined?.info !== info) {
      const place = { companion: this.#program, supports: this.#supports };
      this.#examined = { info, abilities: this.#told(info, examineCompanion(info, place)) };
    }
    return this.#examined.abilities;
  }

  /** Those that were found out last, where there are any: it may take a minute to find them out anew, which begins if it is due. */
  async knownAbilities(info: EngineInfo): Promise<CompanionAbilities> {
    const examined = this.abilities(info);
    return this.#known ?? examined;
  }

  /** Does `work`, which has the Engine start the container; the companion is answered meanwhile. */
  async starting<T>(id: string, facts: StartFacts, work: () => Promise<T>): Promise<T> {
    const mapsTmpfs = (await this.#examined?.abilities)?.mapsTmpfs ?? false;
    const answer = (config: string): Promise<Buffer> => this.#answer(config, { ...facts, mapsTmpfs });
    return this.#questions.answering(id, answer, work, facts.restore !== undefined);
  }

  async stop(): Promise<void> {
    await this.#questions.close();
  }

  async #told(info: EngineInfo, examined: Promise<CompanionAbilities>): Promise<CompanionAbilities> {
    const abilities = await examined;
    if (this.#examined?.info === info) this.#known = abilities;
    const { runtime, missing, userNamespaces, isAbsent } = abilities;
    if (isAbsent) this.#log.debug('no companion runtime', { missing });
    else this.#log.info('the companion runtime', { runtime, userNamespaces, missing });
    return abilities;
  }

  async #answer(text: string, facts: StartFacts & Pick<ConfigEdit, 'mapsTmpfs'>): Promise<Buffer> {
    const { adjustments, restore, ...others } = facts;
    // An object with the members that OCI's specification gives it: the daemon has made it.
    const config = readExactJson(text) as OciConfig & { readonly linux?: { readonly cgroupsPath?: string } };
    const { userNamespace } = adjustments;
    const overlays = userNamespace === undefined ? [] : await this.#overlays(config, adjustments);
    await restore?.prepareRoot(config.root?.path ?? '');
    const rootPath = userNamespace && this.#questions.rootfs;
    return answerText({
      config: exactJsonText(editConfig(config, { ...adjustments, ...others, rootPath })),
      systemdCgroup: SYSTEMD_CGROUP.test(config.linux?.cgroupsPath ?? ''),
      overlays,
      idMaps: userNamespace,
      restore,
    });
  }

  /** Of the root file system, and of the images that are mounted in it. */
  async #overlays(
    { root, mounts = [] }: OciConfig,
    { mounts: adjusted = {} }: Adjustments,
  ): Promise<Overlay[]> {
    const mountinfo = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
    const images = mounts.filter(({ destination }) => adjusted[destination]?.isImage);
    return [
      ...images.map(({ source = '' }) => imageOverlay(mountinfo, source)),
      rootOverlay(mountinfo, root?.path ?? '', this.#questions.rootfs),
    ];
  }
}
