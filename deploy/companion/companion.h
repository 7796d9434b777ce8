/* What the parts of the companion have in common. */
#ifndef COMPANION_H
#define COMPANION_H

/* What it is asked for by cridock itself. */
#define PROBE "cridock-probe"
/* The names of the shim that leads here, and of containerd's own. */
#define SHIM "containerd-shim-cridock-v2"
#define SHIM_BEFORE "containerd-shim-runc-v2"

/* Where cridock answers: a link by the name of each container that is being started (src/companion/questions.ts). */
#define QUESTIONS "/run/cridock/companion"
/* The end of a second link's name, for one that is restored. */
#define RESTORED ".restored"

/*
 * What runc is to do, NULL where nothing says so. Of `create` also the values of two options, where they are given, and whether
 * systemd has the cgroups.
 */
const char *runc_command(char **arguments, const char **bundle, const char **log, int *has_systemd);

#endif
