/*
 * The way through the companion for all that needs no mounts. The C library makes ready what is never used then, and asks the
 * processor for what it can do: on a virtual machine that takes half a millisecond, at each of runc's calls. So this comes before
 * it: no function of the library may be called here (build.sh sees to it). What is not simple is left to main(), also to tell of
 * what went wrong.
 *
 * Two names lead here:
 * - containerd-shim-cridock-v2, a link, which containerd starts: it becomes containerd's own shim, which finds the companion when
 *   it looks for runc.
 * - runc: it becomes the next runc on PATH. Of a `create` it asks cridock before, and writes the config.json that comes back;
 *   where there is more to do than that, main() does it. So it does with `run` and `restore`, and the `start` of what has just been
 *   restored.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "companion.h"

/* The first instructions: pass_on() gets what the kernel has put on the stack, and where it returns the library's start follows. */
#if defined(__x86_64__)
__asm__(".globl enter\nenter:\n mov %rsp, %rdi\n call pass_on\n xor %edx, %edx\n jmp _start\n");
#elif defined(__aarch64__)
__asm__(".globl enter\nenter:\n mov x0, sp\n bl pass_on\n mov x0, xzr\n b _start\n");
#endif

struct question question;

/* A system call of six arguments. */
static long call6(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long fourth __asm__("r10") = d, fifth __asm__("r8") = e, sixth __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "+a"(number)
                   : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return number;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

/* One of four at most; inlined, as some of what b and c point to is for the kernel to fill, which a compiler cannot know. */
__attribute__((always_inline)) static inline long call(long number, long a, const void *b, const void *c, long d) {
  return call6(number, a, (long)b, (long)c, d, 0, 0);
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

void become(const char *name, const char *folders, char **arguments, char **environment) {
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

/* Of what could not be done there is nothing to be told yet. */
static int not_asked(const char *what, long problem) {
  question.failed = what;
  question.problem = problem < 0 ? (int)-problem : 0;
  return 0;
}

static char *memory(unsigned long size) {
  long address = call6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address < 0 && address > -4096 ? NULL : (char *)address;
}

static long long now_ms(void) {
  struct timespec now;
  call(SYS_clock_gettime, CLOCK_MONOTONIC, &now, NULL, 0);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for that much of the socket, or only for a while where there is none. 0 when the time is up. */
static int wait_for(int fd, short events, long long deadline_ms) {
  for (;;) {
    long long left = deadline_ms - now_ms();
    if (left <= 0) return not_asked("cridock does not answer in time: the container is not started", 0);
    if (fd < 0 && left > 10) left = 10;
    struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    struct pollfd polled = {.fd = fd, .events = events};
    long count = call6(SYS_ppoll, (long)&polled, 1, (long)&time, 0, 0, 0);
    if (count > 0 || (fd < 0 && count == 0)) return 1;
    if (count < 0 && count != -EINTR) return not_asked("poll", count);
  }
}

/* Room for the line before a config.json. */
#define HEAD 256

/* The text of config.json, which is no link, with room before it. */
static char *read_config(unsigned long *size) {
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
  struct stat facts;
  long fd = call(SYS_openat2, question.bundle, "config.json", &how, sizeof(how));
  long problem = fd < 0 ? fd : call(SYS_newfstatat, fd, "", &facts, AT_EMPTY_PATH);
  char *text = problem < 0 || !S_ISREG(facts.st_mode) || facts.st_size > MAX_TEXT ? NULL : memory(HEAD + (unsigned long)facts.st_size + 1);
  if (text != NULL) text += HEAD;
  for (*size = 0; text != NULL && *size < (unsigned long)facts.st_size;) {
    long now = call(SYS_read, fd, text + *size, (void *)((unsigned long)facts.st_size - *size), 0);
    if (now == -EINTR) continue;
    if (now <= 0) text = NULL;
    else *size += (unsigned long)now;
  }
  if (fd >= 0) call(SYS_close, fd, NULL, NULL, 0);
  return text;
}

int write_config(int bundle, const char *text, unsigned long size) {
  const char *draft = ".config.json.cridock";
  long fd = call(SYS_openat, bundle, draft, (void *)(O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC), 0600);
  if (fd < 0) return (int)-fd;
  while (size > 0) {
    long now = call(SYS_write, fd, text, (void *)size, 0);
    if (now == -EINTR) continue;
    if (now < 0) return (int)-now;
    text += now;
    size -= (unsigned long)now;
  }
  call(SYS_close, fd, NULL, NULL, 0);
  long problem = call(SYS_renameat, bundle, draft, (void *)(long)bundle, (long)"config.json");
  return (int)-problem;
}

/* Connected to the cridock that starts this container; -1 where there is none. */
static int reach(const char *id, long long deadline_ms) {
  struct sockaddr_un address;
  char path[PATH_MAX];
  unsigned length = 0;
  if (!append(path, &length, QUESTIONS "/", PATH_MAX) || !append(path, &length, id, PATH_MAX) || length >= sizeof(address.sun_path)) {
    not_asked("this is no container's id", 0);
    return -1;
  }
  address.sun_family = AF_UNIX;
  for (unsigned index = 0; index <= length; index += 1) address.sun_path[index] = path[index];
  long fd = call(SYS_socket, AF_UNIX, (void *)(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC), NULL, 0), problem;
  if (fd < 0) not_asked("no socket", fd);
  while (fd >= 0 && (problem = call(SYS_connect, fd, &address, (void *)(offsetof(struct sockaddr_un, sun_path) + length + 1), 0)) < 0) {
    if (problem != -EAGAIN) not_asked("cridock is not starting this container: only cridock can start it", problem);
    if (problem != -EAGAIN || !wait_for(-1, 0, deadline_ms)) return -1; /* or its queue is full */
  }
  return (int)fd;
}

static int send_all(int fd, const char *text, unsigned long size, long long deadline_ms) {
  while (size > 0) {
    long now = call6(SYS_sendto, fd, (long)text, (long)size, MSG_NOSIGNAL, 0, 0);
    if (now < 0 && now != -EAGAIN && now != -EINTR) return not_asked("cridock has gone", now);
    if (now < 0 && !wait_for(fd, POLLOUT, deadline_ms)) return 0;
    if (now > 0) text += now, size -= (unsigned long)now;
  }
  return 1;
}

/* What follows the word, where the text begins with it. */
static const char *after(const char *text, const char *word) {
  for (; *word != '\0'; text += 1, word += 1) if (*text != *word) return NULL;
  return text;
}

/*
 * The config.json of an answer that is whole and has nothing else, but a word on cgroups before it; its size is told beside it. NULL
 * while that is not so. Nobody has to wait then until cridock has closed its side.
 */
static const char *only_config(unsigned long *size, int *wants_systemd) {
  const char *end = question.reply + question.length, *rest = after(question.reply, "systemd-cgroup\n");
  *wants_systemd = rest != NULL;
  const char *at = after(rest == NULL ? question.reply : rest, "config ");
  *size = 0;
  for (; at != NULL && *at >= '0' && *at <= '9' && *size <= MAX_TEXT; at += 1) *size = *size * 10 + (unsigned long)(*at - '0');
  return at != NULL && *at == '\n' && *size > 0 && *size == (unsigned long)(end - at - 1) ? at + 1 : NULL;
}

/* Sends a line and the text of config.json, and takes all that comes back. */
static int ask(const char *bundle, const char *id) {
  char head[PATH_MAX], digits[24];
  unsigned length = 0, first = sizeof(digits) - 1;
  unsigned long size;
  int unused;
  long folder = call(SYS_openat, AT_FDCWD, bundle, (void *)(O_PATH | O_DIRECTORY | O_CLOEXEC), 0);
  if (folder < 0) return not_asked("the bundle cannot be opened", folder);
  question.bundle = (int)folder;
  char *config = read_config(&size);
  if (config == NULL) return not_asked("config.json cannot be read", 0);
  digits[first] = '\0';
  for (unsigned long left = size; first > 0 && (left > 0 || digits[first] == '\0'); left /= 10) digits[--first] = (char)('0' + left % 10);
  long long deadline_ms = now_ms() + ANSWER_TIMEOUT_MS;
  int fd = reach(id, deadline_ms);
  if (fd < 0) return 0;
  if (!append(head, &length, PROTOCOL " create ", PATH_MAX) || !append(head, &length, id, PATH_MAX) || !append(head, &length, " ", 1) ||
      !append(head, &length, digits + first, PATH_MAX) || !append(head, &length, "\n", 1) || length > HEAD) {
    return not_asked("this is no container's id", 0);
  }
  for (unsigned index = 1; index <= length; index += 1) *--config = head[length - index];
  if (!send_all(fd, config, length + size, deadline_ms)) return 0;
  question.reply = memory(MAX_TEXT + 1);
  if (question.reply == NULL) return not_asked("no memory", 0);
  while (question.length < MAX_TEXT && only_config(&size, &unused) == NULL) {
    if (!wait_for(fd, POLLIN, deadline_ms)) return 0;
    long now = call(SYS_read, fd, question.reply + question.length, (void *)(MAX_TEXT - question.length), 0);
    if (now == 0) break;
    if (now < 0 && now != -EAGAIN && now != -EINTR) return not_asked("cridock has gone", now);
    if (now > 0) question.length += (unsigned long)now;
  }
  call(SYS_close, fd, NULL, NULL, 0);
  return 1;
}

void pass_on(long *stack) {
  char **arguments = (char **)(stack + 1), **environment = arguments + stack[0] + 1, **path = environment;
  while (*path != NULL && !((*path)[0] == 'P' && (*path)[1] == 'A' && (*path)[2] == 'T' && (*path)[3] == 'H' && (*path)[4] == '=')) path += 1;
  if (stack[0] < 1 || *path == NULL || (stack[0] > 1 && is_same(arguments[1], PROBE))) return;
  if (is_same(last_part(arguments[0]), SHIM)) {
    become_shim(arguments, environment, path);
    return;
  }
  const char *bundle = NULL, *unused;
  int has_systemd = 0, wants_systemd = 0;
  const char *command = runc_command(arguments, &bundle, &unused, &has_systemd);
  if (command == NULL || is_same(command, "run") || is_same(command, "restore")) return;
  if (is_same(command, "create")) {
    unsigned long size;
    if (bundle == NULL || !ask(bundle, arguments[stack[0] - 1])) return;
    const char *config = only_config(&size, &wants_systemd);
    if (config == NULL || write_config(question.bundle, config, size) != 0) return;
  }
  if (is_same(command, "start") && is_restored(arguments[stack[0] - 1])) return;
  char *words[stack[0] + 2];
  int extra = wants_systemd && !has_systemd;
  words[0] = arguments[0];
  if (extra) words[1] = "--systemd-cgroup";
  for (long index = 1; index <= stack[0]; index += 1) words[index + extra] = arguments[index];
  become("runc", *path + 5, words, environment);
}
