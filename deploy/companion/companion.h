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

/* What cridock and this program must agree on, and tell each other first. */
#define PROTOCOL "cridock-companion 1"
#define ANSWER_TIMEOUT_MS 10000
#define MAX_TEXT (16 << 20)

/* A question to cridock, of a container that is being created, which is asked before the C library starts. */
struct question {
  /* What went wrong, NULL where nothing did, and its errno. */
  const char *failed;
  int problem;
  /* The container's folder, open. */
  int bundle;
  /* All that came back, with a NUL at its end. */
  char *reply;
  unsigned long length;
};
extern struct question question;

/* Puts another text into the place of the bundle's config.json. An errno, or 0. */
int write_config(int bundle, const char *text, unsigned long size);

/* Becomes the first such program in these folders that is not this one. Comes back where there is none. */
void become(const char *name, const char *folders, char **arguments, char **environment);

#endif
