/*
 * The way through the companion for all that it only passes on. The C library makes ready what is never used then, and asks the
 * processor for what it can do: on a virtual machine that takes half a millisecond, at each of runc's calls. So this comes before
 * it: no function of the library may be called here, and nothing is kept. What is not simple is left to main().
 *
 * Two names lead here:
 * - containerd-shim-cridock-v2, a link, which containerd starts: it becomes containerd's own shim, which finds the companion when
 *   it looks for runc.
 * - runc, for anything but `create`, `run` and `restore`, and the `start` of what has just been restored: it becomes the next
 *   runc on PATH.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "companion.h"

/* The first instructions: pass_on() gets what the kernel has put on the stack, and where it returns the library's start follows. */
#if defined(__x86_64__)
__asm__(".globl enter\nenter:\n mov %rsp, %rdi\n call pass_on\n xor %edx, %edx\n jmp _start\n");
#elif defined(__aarch64__)
__asm__(".globl enter\nenter:\n mov x0, sp\n bl pass_on\n mov x0, xzr\n b _start\n");
#endif

static long call(long number, long a, const void *b, const void *c, long d) {
#if defined(__x86_64__)
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
  return number;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x3 __asm__("x3") = d;
  register const void *x1 __asm__("x1") = b, *x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#endif
}

static int is_same(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a += 1, b += 1;
  return *a == *b;
}

static const char *last_part(const char *path) {
  const char *part = path;
  for (; *path != '\0'; path += 1) if (*path == '/') part = path + 1;
  return part;
}

/* Appends to a text of PATH_MAX bytes; 0 where it does not fit. */
static int append(char *text, unsigned *length, const char *more, unsigned size) {
  for (unsigned index = 0; index < size && more[index] != '\0'; index += 1) {
    if (*length == PATH_MAX - 1) return 0;
    text[(*length)++] = more[index];
  }
  text[*length] = '\0';
  return 1;
}

/* Becomes the first such program in these folders that is not this one. Comes back where there is none. */
static void become(const char *name, const char *folders, char **arguments, char **environment) {
  struct stat own, other;
  if (call(SYS_newfstatat, AT_FDCWD, "/proc/self/exe", &own, 0) != 0) return;
  for (const char *at = folders; *at != '\0';) {
    unsigned size = 0, length = 0;
    char path[PATH_MAX];
    while (at[size] != '\0' && at[size] != ':') size += 1;
    if (size > 0 && append(path, &length, at, size) && append(path, &length, "/", 1) && append(path, &length, name, PATH_MAX) &&
        call(SYS_newfstatat, AT_FDCWD, path, &other, 0) == 0 && (own.st_ino != other.st_ino || own.st_dev != other.st_dev)) {
      call(SYS_execve, (long)path, arguments, environment, 0);
    }
    at += size + (at[size] == ':');
  }
}

const char *runc_command(char **arguments, const char **bundle, const char **log, int *has_systemd) {
  static const char *const valued[] = {"--log", "--bundle", "--root", "--log-format", "--rootless", "--criu"};
  const char *command = NULL;
  for (char **at = arguments + 1; *at != NULL; at += 1) {
    unsigned option = 0;
    while (option < 6 && !is_same(*at, valued[option])) option += 1;
    if (is_same(*at, "--systemd-cgroup")) *has_systemd = 1;
    if (option < 6 && at[1] != NULL) {
      at += 1;
      if (option == 0) *log = *at;
      if (option == 1) *bundle = *at;
    } else if (**at != '-' && command == NULL) {
      command = *at;
      if (!is_same(command, "create")) break;
    }
  }
  return command;
}

/* Becomes containerd's shim, with this program's folder first on its PATH. */
static void become_shim(char **arguments, char **environment, char **path) {
  char changed[PATH_MAX], own[PATH_MAX];
  unsigned length = 0;
  long size = call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", own, PATH_MAX - 1);
  if (size <= 0) return;
  own[size] = '\0';
  const char *old = *path + 5;
  if (!append(changed, &length, "PATH=", 5) || !append(changed, &length, own, (unsigned)(last_part(own) - own - 1)) ||
      !append(changed, &length, ":", 1) || !append(changed, &length, old, PATH_MAX)) {
    return;
  }
  *path = changed;
  become(SHIM_BEFORE, old, arguments, environment);
  *path = (char *)old - 5;
}

/* Whether cridock has just had the container restored. */
static int is_restored(const char *id) {
  struct stat link;
  char path[PATH_MAX];
  unsigned length = 0;
  return append(path, &length, QUESTIONS "/", PATH_MAX) && append(path, &length, id, PATH_MAX) &&
         append(path, &length, RESTORED, PATH_MAX) &&
         call(SYS_newfstatat, AT_FDCWD, path, &link, AT_SYMLINK_NOFOLLOW) == 0;
}

void pass_on(long *stack) {
  char **arguments = (char **)(stack + 1), **environment = arguments + stack[0] + 1, **path = environment;
  while (*path != NULL && !((*path)[0] == 'P' && (*path)[1] == 'A' && (*path)[2] == 'T' && (*path)[3] == 'H' && (*path)[4] == '=')) path += 1;
  if (stack[0] < 1 || *path == NULL || (stack[0] > 1 && is_same(arguments[1], PROBE))) return;
  if (is_same(last_part(arguments[0]), SHIM)) {
    become_shim(arguments, environment, path);
    return;
  }
  const char *unused;
  int none;
  const char *command = runc_command(arguments, &unused, &unused, &none);
  if (command == NULL || is_same(command, "create") || is_same(command, "run") || is_same(command, "restore")) return;
  if (is_same(command, "start") && is_restored(arguments[stack[0] - 1])) return;
  become("runc", *path + 5, arguments, environment);
}
