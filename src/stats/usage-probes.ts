import { afterAnswers } from '../util/after-answers.js';
import { openCgroup } from './cgroup.js';
import { type Cgroup } from './cgroup-figures.js';
import { containerCgroup, parentCgroup, parseCgroupMounts, type CgroupMounts } from './cgroup-folders.js';
import { CpuRate } from './cpu-rate.js';
import { KernelFiles, type KernelFile } from './kernel-file.js';
import { parseNetDev, type InterfaceTraffic } from './net-dev.js';

/** A running container or sandbox that is to be measured. */
export interface Subject {
  readonly id: string;
  /** Host pid of its main process. */
  readonly pid: number;
  /** True for the sandbox of a pod that has a cgroup of its own, which then is the parent of the sandbox's. */
  readonly inPodCgroup: boolean;
}

/** A cgroup with the samples of its CPU time. */
export interface MeasuredCgroup {
  readonly cgroup: Cgroup;
  readonly rate: CpuRate;
}

/** What is kept open of one subject. */
export interface Probe extends MeasuredCgroup {
  readonly pid: number;
  /** The path of its cgroup inside the hierarchies. */
  readonly path: string;
  /** The interfaces of its network namespace. Open, it keeps that namespace: the probe must be closed with the process's end. */
  readonly netDev: KernelFile;
  /** The pod's cgroup, for a sandbox that is in one. */
  readonly pod: MeasuredCgroup | undefined;
}

const SAMPLE_EVERY_MS = 10_000;

/**
 * Readers for the cgroups of everything that runs, opened once and kept while it runs, and the sampler behind the CPU
 * rates. Reads the kernel's files only: no Engine is asked.
 */
export class UsageProbes {
  readonly #files: KernelFiles;
  readonly #proc: string;
  readonly #mounts: CgroupMounts;
  readonly #subjects = new Map<string, Subject>();
  readonly #probes = new Map<string, Probe>();
  #timer: NodeJS.Timeout | undefined;

  /** `proc` is where the kernel's /proc is; tests have one of their own. */
  constructor(files = new KernelFiles(), proc = '/proc') {
    this.#files = files;
    this.#proc = proc;
    this.#mounts = parseCgroupMounts(files.readOnce(`${proc}/self/mountinfo`) ?? '');
  }

  start(): void {
    this.#timer = setInterval(() => this.sample(), SAMPLE_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const id of [...this.#subjects.keys()]) this.forget(id);
  }

  /** From now on this is sampled and can be measured. */
  track(subject: Subject): void {
    const known = this.#subjects.get(subject.id);
    if (known?.pid === subject.pid) return;
    this.forget(subject.id);
    this.#subjects.set(subject.id, subject);
    afterAnswers(() => this.#trySample(subject.id));
  }

  /** It has ended or is gone. */
  forget(id: string): void {
    this.#subjects.delete(id);
    this.#close(id);
  }

  /** The readers of what is tracked under this id; undefined when it does not run or its cgroup is gone. */
  of(id: string): Probe | undefined {
    const known = this.#probes.get(id);
    if (known !== undefined) return known;
    const subject = this.#subjects.get(id);
    const probe = subject && this.#open(subject);
    if (probe !== undefined) {
      this.#probes.set(id, probe);
      sample(probe);
    }
    return probe;
  }

  /** Interfaces in its network namespace; none when it does not run. */
  interfaces(id: string): InterfaceTraffic[] {
    const text = this.of(id)?.netDev.read();
    return text === undefined ? [] : parseNetDev(text);
  }

  /** The soft limit on open files of a process; undefined when it has ended or has none. */
  openFilesLimit(pid: number): number | undefined {
    const text = this.#files.readOnce(`${this.#proc}/${pid}/limits`) ?? '';
    const soft = /^Max open files +(\d+)/m.exec(text)?.[1];
    return soft === undefined ? undefined : Number(soft);
  }

  /** The mounts that a process sees; undefined when it has ended. */
  mountinfo(pid: number | 'self'): string | undefined {
    return this.#files.readOnce(`${this.#proc}/${pid}/mountinfo`);
  }

  /** Takes a sample of the CPU time of everything that is tracked. */
  sample(): void {
    for (const id of this.#subjects.keys()) this.#trySample(id);
  }

  /** Nobody waits for it, and the next is soon: what fails it, such as too many open files, whoever asks for statistics is told. */
  #trySample(id: string): void {
    try {
      const known = this.#probes.get(id);
      if (known === undefined) this.of(id);
      else sample(known);
    } catch {
      // as said
    }
  }

  #open(subject: Subject): Probe | undefined {
    const procCgroup = this.#files.readOnce(`${this.#proc}/${subject.pid}/cgroup`);
    const folders = procCgroup && containerCgroup(procCgroup, subject.id, this.#mounts);
    if (!folders) return undefined;
    const measured = (cgroup: Cgroup): MeasuredCgroup => ({ cgroup, rate: new CpuRate() });
    return {
      ...measured(openCgroup(folders, this.#files)),
      pid: subject.pid,
      path: folders.path,
      netDev: this.#files.file(`${this.#proc}/${subject.pid}/net/dev`),
      pod: subject.inPodCgroup ? measured(openCgroup(parentCgroup(folders), this.#files)) : undefined,
    };
  }

  #close(id: string): void {
    const probe = this.#probes.get(id);
    probe?.cgroup.close();
    probe?.pod?.cgroup.close();
    probe?.netDev.close();
    this.#probes.delete(id);
  }
}

function sample(probe: Probe): void {
  for (const measured of [probe, probe.pod]) {
    const usageNs = measured?.cgroup.cpuUsageNs();
    if (usageNs !== undefined) measured?.rate.sample({ atMs: performance.now(), usageNs });
  }
}
