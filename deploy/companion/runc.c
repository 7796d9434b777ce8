/*
 * The companion OCI runtime: it stands in front of the true runc, and has cridock say what Docker cannot.
 *
 * containerd's shim calls it as it would call runc. `create` asks the cridock that starts the container for another
 * config.json, and for mounts that runc shall see; without an answer it fails. What else is asked of runc goes to it as it is
 * (pass-on.c), but for `run` and `restore`, which nobody could be asked about. Where cridock says so, the container is restored
 * from a checkpoint in the place of `create`; it runs then, and the `start` that follows has nothing to do. It decides nothing, and
 * reads no JSON (src/companion/).
 *
 * Mounts are made so that nothing is left however this ends. A layer store's clone with other owners is attached in a mount
 * namespace of a child's own, and dies with it. The overlay made of it is attached in a mount namespace that only this process,
 * the runc that it becomes, and the container have. The node's own table of mounts is never changed, and nothing is ever removed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "companion.h"

#define MAX_OVERLAYS 64
#define MAX_MAP 4096

struct overlay {
  char *layers, *work, *data, *sub, *holder, *target, *origin;
  int shared;
  int fd;
};

/* Where a child tells what went wrong: in memory that both see. */
struct outcome {
  char problem[1024];
};

static const char *log_path;
static struct outcome *outcome;
static char uid_map[MAX_MAP], gid_map[MAX_MAP];
static struct overlay overlays[MAX_OVERLAYS];
static int overlay_count, wants_systemd;

/* Ends with a text where the shim looks for it, so that Docker shows it. */
__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  fprintf(stderr, "cridock's companion runtime: %s\n", text);
  int fd = log_path == NULL ? -1 : open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0) {
    dprintf(fd, "{\"level\":\"error\",\"msg\":\"cridock's companion runtime: ");
    for (const char *at = text; *at != '\0'; at += 1) {
      if (*at == '"' || *at == '\\') dprintf(fd, "\\%c", *at);
      else dprintf(fd, "%c", (unsigned char)*at < ' ' ? ' ' : *at);
    }
    dprintf(fd, "\"}\n");
  }
  exit(1);
}

/* In a child: tells the parent, and ends. */
__attribute__((noreturn)) static void child_fails(const char *step) {
  snprintf(outcome->problem, sizeof(outcome->problem), "%s: %s", step, strerror(errno));
  _exit(1);
}

/* A path without any link in it, below `base` (or anywhere, for AT_FDCWD). */
static int open_path(int base, const char *path, int flags) {
  struct open_how how = {.flags = (unsigned long long)(flags | O_CLOEXEC), .resolve = RESOLVE_NO_SYMLINKS};
  if (base != AT_FDCWD) how.resolve |= RESOLVE_BENEATH;
  return (int)syscall(SYS_openat2, base, path, &how, sizeof(how));
}

/* <sys/mount.h> and <linux/mount.h> cannot both be had. */
static int mount_at(const char *source, const char *target, const char *type, unsigned long flags, const void *data) {
  return (int)syscall(SYS_mount, source, target, type, flags, data);
}

static int open_tree_at(int base, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, base, path, flags | OPEN_TREE_CLOEXEC);
}

static int move_mount_to(int from, int to_base, const char *to, unsigned flags) {
  return (int)syscall(SYS_move_mount, from, "", to_base, to, flags | MOVE_MOUNT_F_EMPTY_PATH);
}

static int set_mount(int fd, unsigned long long attributes, unsigned long long propagation, int userns) {
  struct mount_attr attr = {.attr_set = attributes, .propagation = propagation};
  if (userns >= 0) attr.userns_fd = (unsigned long long)userns;
  return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

/* Of a folder with the layers of all containers: a clone that is attached nowhere, with its owners mapped. Closes the folder. */
static int mapped_clone(int folder, int userns) {
  int clone = folder < 0 ? -1 : open_tree_at(folder, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
  /* Private: else it were a peer of Docker's own mount, and took that one's mounts with it when it goes. */
  if (clone >= 0 && set_mount(clone, MOUNT_ATTR_IDMAP, MS_PRIVATE, userns) != 0) {
    int problem = errno;
    close(clone);
    clone = -1;
    errno = problem;
  }
  if (folder >= 0) close(folder);
  return clone;
}

static int write_all(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, text, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    text += written;
    length -= (size_t)written;
  }
  return 0;
}

static void write_map(pid_t pid, const char *name, const char *map) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write_all(fd, map, strlen(map)) != 0) fail("cannot set %s: %s", name, strerror(errno));
  close(fd);
}

/*
 * A user namespace with the pod's mappings, which stands for them to the kernel. The end of the process that had it takes a
 * while that nobody has to wait for: it is reaped by whoever comes after.
 */
static int map_namespace(void) {
  int ready[2], done[2];
  char byte = 0;
  if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(done, O_CLOEXEC) != 0) fail("no pipe: %s", strerror(errno));
  pid_t pid = fork();
  if (pid < 0) fail("no process: %s", strerror(errno));
  if (pid == 0) {
    close(done[1]);
    if (unshare(CLONE_NEWUSER) != 0) child_fails("no user namespace");
    if (write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) < 0) _exit(1);
    _exit(0);
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1) fail("%s", outcome->problem);
  write_map(pid, "uid_map", uid_map);
  write_map(pid, "gid_map", gid_map);
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("%s: %s", path, strerror(errno));
  close(ready[0]);
  close(done[0]);
  close(done[1]);
  return fd;
}

/*
 * overlayfs does its own work (work folder, copies) with the credentials of who mounts it: they must be ids that the mapping
 * knows. Giving up id 0 takes capabilities away, which are raised again.
 */
static void become_pod_root(void) {
  unsigned inside, uid, gid;
  if (sscanf(uid_map, "%u %u", &inside, &uid) != 2 || sscanf(gid_map, "%u %u", &inside, &gid) != 2) child_fails("no mapping");
  setfsgid(gid);
  setfsuid(uid);
  if (setfsgid(-1) != (int)gid || setfsuid(-1) != (int)uid) child_fails("cannot take the pod's ids");
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets) != 0) child_fails("capget");
  for (int index = 0; index < 2; index += 1) sets[index].effective = sets[index].permitted;
  if (syscall(SYS_capset, &header, sets) != 0) child_fails("capset");
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* ends with a change of ids */
}

/* Sends a descriptor over a socket, or takes one from it: -1 where the other side has ended without. */
static int hand_over(int channel, int fd) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec io = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr *part = CMSG_FIRSTHDR(&message);
  if (fd >= 0) {
    *part = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(part), &fd, sizeof(int));
    return sendmsg(channel, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
  }
  if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen < sizeof(control)) return -1;
  memcpy(&fd, CMSG_DATA(part), sizeof(int));
  return fd;
}

/* In a child: makes the overlay, and hands over a clone of it that is attached nowhere. */
__attribute__((noreturn)) static void build(const struct overlay *overlay, int userns, int channel) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNS) != 0) child_fails("no mount namespace");
  if (mount_at(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) child_fails("private mounts");
  int clone = mapped_clone(open_path(AT_FDCWD, overlay->layers, O_PATH | O_DIRECTORY), userns);
  if (clone < 0) child_fails(overlay->layers);
  if (move_mount_to(clone, AT_FDCWD, overlay->target, 0) != 0) child_fails(overlay->target);
  if (fchdir(clone) != 0) child_fails("chdir");
  become_pod_root();
  if (overlay->work != NULL) {
    char *name = strrchr(overlay->work, '/');
    if (name == NULL) child_fails("no folder above the work folder");
    *name = '\0';
    int parent = open_path(clone, overlay->work, O_PATH | O_DIRECTORY);
    if (parent < 0 || (mkdirat(parent, name + 1, 0700) != 0 && errno != EEXIST)) child_fails("work folder");
    close(parent);
  }
  if (mount_at("overlay", overlay->target, "overlay", 0, overlay->data) != 0) child_fails("overlay");
  char path[8192];
  const char *sub = overlay->sub == NULL ? "" : overlay->sub;
  if (snprintf(path, sizeof(path), "%s/%s", overlay->target, sub) >= (int)sizeof(path)) child_fails("path");
  int shown = open_path(AT_FDCWD, path, O_PATH);
  int fd = shown < 0 ? -1 : open_tree_at(shown, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
  if (fd < 0) child_fails(path);
  if (hand_over(channel, fd) != 0) child_fails("handing over");
  _exit(0);
}

static void build_overlay(struct overlay *overlay, int userns) {
  int channel[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) fail("no channel: %s", strerror(errno));
  *outcome = (struct outcome){.problem = "its process was killed"};
  pid_t pid = fork();
  if (pid < 0) fail("no process: %s", strerror(errno));
  if (pid == 0) {
    close(channel[0]);
    build(overlay, userns, channel[1]);
  }
  close(channel[1]);
  /* Nor for the end of this one, with its namespace. */
  overlay->fd = hand_over(channel[0], -1);
  if (overlay->fd < 0) fail("cannot mount the image's layers for the user namespace: %s", outcome->problem);
  close(channel[0]);
}

/*
 * Shows the overlay in this process's mount namespace, and not in those that get its mounts: the mount that it lies on takes no
 * part in that for the moment, and then has the peers again that it has on the node.
 */
static void attach(const struct overlay *overlay, int from) {
  int to = open_path(AT_FDCWD, overlay->holder, O_PATH);
  if (to < 0 || set_mount(to, 0, MS_PRIVATE, -1) != 0) fail("%s: %s", overlay->holder, strerror(errno));
  if (move_mount_to(overlay->fd, AT_FDCWD, overlay->target, 0) != 0) fail("%s: %s", overlay->target, strerror(errno));
  if (overlay->shared && move_mount_to(from, to, "", MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    fail("%s: cannot be shared again: %s", overlay->holder, strerror(errno));
  }
  close(to);
  close(overlay->fd);
}

/*
 * Has Docker's own overlay of the same layers forget what it has read of them by now: what the container changes is seen there
 * only where nothing was remembered. It matters to `docker diff` and `docker cp` alone.
 */
static void refresh(const char *origin) {
  int fd = (int)syscall(SYS_fspick, AT_FDCWD, origin, FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT);
  if (fd < 0) return;
  syscall(SYS_fsconfig, fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
  close(fd);
}

static void mount_overlays(void) {
  int from[MAX_OVERLAYS];
  int userns = map_namespace();
  for (int index = 0; index < overlay_count; index += 1) {
    build_overlay(&overlays[index], userns);
    if (overlays[index].origin != NULL) refresh(overlays[index].origin);
    from[index] = open_path(AT_FDCWD, overlays[index].holder, O_PATH);
    if (from[index] < 0) fail("%s: %s", overlays[index].holder, strerror(errno));
  }
  close(userns);
  if (unshare(CLONE_NEWNS) != 0) fail("no mount namespace: %s", strerror(errno));
  for (int index = 0; index < overlay_count; index += 1) {
    attach(&overlays[index], from[index]);
    close(from[index]);
  }
}

/* What the container is restored from, where it is. */
static char *images_path, *logs_path, *criu_path;

static void add_map(char *map, const char *line) {
  size_t used = strlen(map);
  if (snprintf(map + used, MAX_MAP - used, "%s\n", line) >= (int)(MAX_MAP - used)) fail("the mapping is too long");
}

/* Takes the answer apart; what it says of config.json is its last part. Answers that text, whose size is told beside it. */
static char *understand(char *reply, size_t length, size_t *size) {
  struct overlay *overlay = NULL;
  for (char *line = reply, *end; (end = memchr(line, '\n', length - (size_t)(line - reply))) != NULL; line = end + 1) {
    *end = '\0';
    char *value = strchr(line, ' ');
    if (value != NULL) *value++ = '\0';
    if (strcmp(line, "error") == 0) fail("%s", value == NULL ? "refused" : value);
    if (value == NULL && strcmp(line, "systemd-cgroup") == 0) {
      wants_systemd = 1;
    } else if (value == NULL && strcmp(line, "overlay") == 0) {
      if (overlay_count == MAX_OVERLAYS) fail("too many mounts");
      overlay = &overlays[overlay_count++];
    } else if (value == NULL && strcmp(line, "shared") == 0 && overlay != NULL) {
      overlay->shared = 1;
    } else if (value == NULL) {
      fail("cridock's answer is not understood (%s)", line);
    } else if (strcmp(line, "images") == 0) {
      images_path = value;
    } else if (strcmp(line, "logs") == 0) {
      logs_path = value;
    } else if (strcmp(line, "criu") == 0) {
      criu_path = value;
    } else if (strcmp(line, "uids") == 0) {
      add_map(uid_map, value);
    } else if (strcmp(line, "gids") == 0) {
      add_map(gid_map, value);
    } else if (strcmp(line, "config") == 0) {
      *size = strtoul(value, NULL, 10);
      if (*size == 0 || *size != length - (size_t)(end + 1 - reply)) break;
      if (images_path != NULL && (logs_path == NULL || criu_path == NULL)) fail("a restore is not told whole");
      for (int index = 0; index < overlay_count; index += 1) {
        const struct overlay *one = &overlays[index];
        if (!one->layers || !one->data || !one->holder || !one->target || !*uid_map || !*gid_map) fail("a mount is not told whole");
      }
      return end + 1;
    } else {
      const char *names[] = {"layers", "work", "data", "sub", "holder", "target", "origin"};
      int index = 0;
      while (index < 7 && strcmp(line, names[index]) != 0) index += 1;
      if (overlay == NULL || index == 7) fail("cridock's answer is not understood (%s)", line);
      char **members[] = {&overlay->layers, &overlay->work,   &overlay->data,  &overlay->sub,
                          &overlay->holder, &overlay->target, &overlay->origin};
      *members[index] = value;
    }
  }
  fail("cridock's answer is not whole: the container is not started");
}

/* What cridock wants beside another config.json, or why there is none. */
static void prepare(void) {
  size_t size;
  if (question.failed != NULL) {
    const char *problem = question.problem == 0 ? NULL : strerror(question.problem);
    fail("%s%s%s", question.failed, problem == NULL ? "" : ": ", problem == NULL ? "" : problem);
  }
  if (question.reply == NULL) fail("cridock was not asked");
  char *edited = understand(question.reply, question.length, &size);
  if (overlay_count > 0) mount_overlays();
  int problem = write_config(question.bundle, edited, size);
  if (problem != 0) fail("config.json cannot be written: %s", strerror(problem));
}

/* The next runc on PATH that is not this program. */
__attribute__((noreturn)) static void become_runc(char **arguments) {
  const char *paths = getenv("PATH");
  become("runc", paths == NULL ? "/usr/sbin:/usr/bin" : paths, arguments, environ);
  fail("no runc on PATH (%s)", paths == NULL ? "" : paths);
}

/* Tells cridock, a line each: what it speaks, the process that serves containerd's socket, and whether owners can be mapped. */
static int probe(const char *containerd, const char *layers) {
  printf(PROTOCOL "\n");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct ucred peer = {0};
  socklen_t size = sizeof(peer);
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", containerd);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    printf("containerd %s\n", strerror(errno));
  } else {
    printf("containerd %d\n", peer.pid);
  }
  add_map(uid_map, "0 100000 65536");
  add_map(gid_map, "0 100000 65536");
  /* Below cridock's unit systemd forbids openat2(2) (RestrictSUIDSGID); here the folder is only tried. */
  int clone = mapped_clone(open(layers, O_PATH | O_DIRECTORY | O_CLOEXEC), map_namespace());
  printf("idmap %s\n", clone < 0 ? strerror(errno) : "ok");
  return 0;
}

/* Whether cridock has just had this container restored: another link beside the one that was asked by. */
static int is_restored(const char *id) {
  char path[256];
  struct stat facts;
  return snprintf(path, sizeof(path), QUESTIONS "/%s" RESTORED, id) < (int)sizeof(path) && lstat(path, &facts) == 0;
}

/* The words of `create` as those of `restore`, with criu on PATH. Both take the same options of those that the shim gives. */
__attribute__((noreturn)) static void restore(int count, char **arguments, int command) {
  const char *paths = getenv("PATH");
  char *path = NULL;
  if (asprintf(&path, "%s:%s", criu_path, paths == NULL ? "/usr/sbin:/usr/bin" : paths) < 0 || setenv("PATH", path, 1) != 0) {
    fail("no memory");
  }
  char *options[] = {"restore", "--detach", "--file-locks", "--image-path", images_path, "--work-path", logs_path};
  size_t extra = sizeof(options) / sizeof(*options);
  char **words = calloc((size_t)count + extra + 1, sizeof(*words));
  if (words == NULL) fail("no memory");
  memcpy(words, arguments, (size_t)command * sizeof(*words));
  memcpy(words + command, options, sizeof(options));
  memcpy(words + command + extra, arguments + command + 1, (size_t)(count - command - 1) * sizeof(*words));
  become_runc(words);
}

int main(int count, char **arguments) {
  outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (outcome == MAP_FAILED) fail("no memory");
  if (count == 4 && strcmp(arguments[1], PROBE) == 0) return probe(arguments[2], arguments[3]);
  const char *name = strrchr(arguments[0], '/');
  if (strcmp(name == NULL ? arguments[0] : name + 1, SHIM) == 0) fail("no " SHIM_BEFORE " on PATH (%s)", getenv("PATH"));
  const char *bundle = NULL;
  int has_systemd = 0;
  const char *command = runc_command(arguments, &bundle, &log_path, &has_systemd);
  if (command != NULL && (strcmp(command, "run") == 0 || strcmp(command, "restore") == 0)) {
    fail("%s is not possible with it", command);
  }
  if (command != NULL && strcmp(command, "start") == 0 && is_restored(arguments[count - 1])) return 0;
  if (command == NULL || strcmp(command, "create") != 0) become_runc(arguments);
  if (bundle == NULL) fail("create without a bundle");
  prepare();
  char **words = calloc((size_t)count + 2, sizeof(*words));
  if (words == NULL) fail("no memory");
  words[0] = arguments[0];
  int extra = wants_systemd && !has_systemd;
  if (extra) words[1] = "--systemd-cgroup";
  memcpy(words + 1 + extra, arguments + 1, (size_t)(count - 1) * sizeof(*words));
  if (images_path != NULL) {
    int at = 1 + extra;
    while (words[at] != command) at += 1;
    restore(count + extra, words, at);
  }
  become_runc(words);
}
