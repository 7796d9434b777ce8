/*
 * Loaded into cridock (LD_PRELOAD) by fault runs: what no test can do from outside.
 *
 * Input: CRIDOCK_FAULT_DIR, a folder with two files that a test writes while cridock runs:
 *   kill-at   "N": the Nth change of a file below CRIDOCK_FAULT_STATE from then on ends the process with SIGKILL, before
 *             the change for "N before" and after it for "N after". It is deleted first, so that it works once.
 *   clock     seconds that the wall clock is ahead. The monotonic clock goes on as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The text of a file of CRIDOCK_FAULT_DIR, read with bare system calls: the calls of libc are ours. */
static int read_order(const char *name, char *text, size_t size) {
  const char *dir = getenv("CRIDOCK_FAULT_DIR");
  char path[PATH_MAX];
  if (dir == NULL) return 0;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = syscall(SYS_read, fd, text, size - 1);
  syscall(SYS_close, fd);
  if (got <= 0) return 0;
  text[got] = 0;
  return 1;
}

static int is_state(const char *path) {
  const char *state = getenv("CRIDOCK_FAULT_STATE");
  return state != NULL && path != NULL && strncmp(path, state, strlen(state)) == 0;
}

static int is_state_fd(int fd) {
  char link[64], path[PATH_MAX];
  int error = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = error;
  if (length < 0) return 0;
  path[length] = 0;
  return is_state(path);
}

static int changes;

/* Around each change of a file: counts, and ends the process where it was asked to. */
static void at_change(const char *when) {
  char text[64], asked[16];
  int number, error = errno;
  int asked_for = read_order("kill-at", text, sizeof text);
  errno = error; /* the caller is to see that of the call itself */
  if (!asked_for) {
    changes = 0;
    return;
  }
  if (strcmp(when, "before") == 0) __sync_add_and_fetch(&changes, 1);
  if (sscanf(text, "%d %15s", &number, asked) != 2 || changes != number || strcmp(asked, when) != 0) return;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/kill-at", getenv("CRIDOCK_FAULT_DIR"));
  syscall(SYS_unlink, path);
  kill(getpid(), SIGKILL);
}

#define REAL(name) static __typeof__(&name) real; if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define AROUND(is_ours, call) ({ int ours = (is_ours); if (ours) at_change("before"); __typeof__(call) result = (call); if (ours) at_change("after"); result; })

int fsync(int fd) { REAL(fsync); return AROUND(is_state_fd(fd), real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); return AROUND(is_state_fd(fd), real(fd)); }
int rename(const char *from, const char *to) { REAL(rename); return AROUND(is_state(from), real(from, to)); }
int unlink(const char *path) { REAL(unlink); return AROUND(is_state(path), real(path)); }
ssize_t write(int fd, const void *bytes, size_t count) { REAL(write); return AROUND(is_state_fd(fd), real(fd, bytes, count)); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { REAL(pwrite64); return AROUND(is_state_fd(fd), real(fd, bytes, count, at)); }
#define DEFINE_OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest); \
    return AROUND((flags & O_CREAT) && is_state(path), real(path, flags, mode)); \
  }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

static long clock_ahead_s(void) {
  char text[64];
  return read_order("clock", text, sizeof text) ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, id, now);
  if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += clock_ahead_s();
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  int result = (int)syscall(SYS_gettimeofday, now, zone);
  if (result == 0) now->tv_sec += clock_ahead_s();
  return result;
}
