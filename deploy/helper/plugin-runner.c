/*
 * Runs CNI plugins for cridock, and hands back what they print. To start a process costs Node.js several milliseconds of its
 * only thread, on a busy node more, as it waits for the exec; here it costs a fraction of one, and nobody waits.
 *
 * It is started by src/network/cni/plugin-runner.ts, reads requests from its standard input and answers on its standard
 * output, in frames: a length of 32 bits (of what follows it) and as many bytes; all numbers are little endian.
 *
 *   run    'R' id:32 path NUL { variable NUL } NUL input      the variables are the plugin's whole environment
 *   kill   'K' id:32                                          the plugin and its group; its answer follows all the same
 *   make   'N' id:32                                          a network namespace with its loopback interface up; answered with
 *                                                             'N' and the descriptor that it is held by here, or with 'F'
 *   let go 'C' descriptor:32                                  of one that was made; not answered
 *   answer kind:8 id:32 value:32 length:32 stdout stderr      kind 'E' exited with the code `value`, 'S' ended by the signal,
 *                                                             'F' not started: an error number, 'O' printed too much
 *
 * A plugin is answered for when it has ended and nobody holds its output open any more; one that was killed, when it has
 * ended. Each is the leader of a session of its own. This program ends with its input, and plugins that run then run on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_RUNS 1024
#define MAX_FRAME (64u << 20)
#define MAX_STDOUT (1u << 20)
/* The end of what is said is the interesting part. */
#define MAX_STDERR (64u << 10)
#define CHUNK 65536

struct run {
  uint32_t id;
  pid_t pid;
  int in, out, err; /* our ends of its pipes; -1 when closed */
  int ended, too_much;
  char end_kind; /* of the answer: 'E' or 'S', and its value */
  uint32_t end_value;
  char *frame; /* the request, which holds the input */
  const char *input;
  size_t input_left;
  char *out_bytes, *err_bytes;
  size_t out_length, err_length;
};

static struct run runs[MAX_RUNS];
static int run_count;
static sigset_t no_signals;

static void close_end(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Waits where it must: cridock always reads. */
static void write_all(const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t written = write(1, at, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(0); /* cridock is gone */
    at += written;
    length -= (size_t)written;
  }
}

static void put32(unsigned char *at, uint32_t value) {
  for (int byte = 0; byte < 4; byte += 1) at[byte] = (unsigned char)(value >> (8 * byte));
}

static uint32_t get32(const char *bytes) {
  const unsigned char *at = (const unsigned char *)bytes;
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void answer(char kind, uint32_t id, uint32_t value, const char *out, size_t out_length, const char *err,
                   size_t err_length) {
  unsigned char head[17];
  put32(head, (uint32_t)(13 + out_length + err_length));
  head[4] = (unsigned char)kind;
  put32(head + 5, id);
  put32(head + 9, value);
  put32(head + 13, (uint32_t)out_length);
  write_all(head, sizeof(head));
  write_all(out, out_length);
  write_all(err, err_length);
}

/*
 * Answers for a run that is over; true when it was, and its place is another's. Whoever has the answer finds nothing of the run
 * here any more. Until now its process was kept as a zombie, so that its number, by which it may be killed, was nobody else's.
 */
static int settle(struct run *run) {
  if (!run->ended || run->out >= 0 || run->err >= 0) return 0;
  waitpid(run->pid, NULL, 0);
  close_end(&run->in);
  answer(run->too_much ? 'O' : run->end_kind, run->id, run->end_value, run->out_bytes, run->out_length, run->err_bytes, run->err_length);
  free(run->frame);
  free(run->out_bytes);
  free(run->err_bytes);
  *run = runs[--run_count];
  return 1;
}

/* A process that left the group may hold the pipes open: it is not waited for. */
static void kill_run(struct run *run) {
  kill(-run->pid, SIGKILL);
  close_end(&run->in);
  close_end(&run->out);
  close_end(&run->err);
}

/* Starts the plugin; answers an error number, or 0. `pipes` are its standard input, output and error. */
static int start(const char *path, char **variables, int pipes[3][2], pid_t *pid) {
  posix_spawnattr_t how;
  posix_spawn_file_actions_t files;
  char *arguments[] = {(char *)path, NULL};
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_init(&how);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&how, &no_signals);
  posix_spawnattr_setsigdefault(&how, &defaults);
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, pipes[0][0], 0);
  posix_spawn_file_actions_adddup2(&files, pipes[1][1], 1);
  posix_spawn_file_actions_adddup2(&files, pipes[2][1], 2);
  int problem = posix_spawn(pid, path, &files, &how, arguments, variables);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&how);
  return problem;
}

static int start_with_pipes(struct run *run, const char *path, char **variables) {
  int pipes[3][2];
  int made = 0, problem = 0;
  while (made < 3 && problem == 0) {
    if (pipe2(pipes[made], O_CLOEXEC) == 0) made += 1;
    else problem = errno;
  }
  if (problem == 0) problem = start(path, variables, pipes, &run->pid);
  for (int index = 0; index < made; index += 1) {
    int theirs = index == 0 ? 0 : 1;
    close(pipes[index][theirs]);
    int ours = pipes[index][1 - theirs];
    if (problem != 0) close(ours);
    else fcntl(ours, F_SETFL, O_NONBLOCK);
  }
  if (problem != 0) return problem;
  run->in = pipes[0][1];
  run->out = pipes[1][0];
  run->err = pipes[2][0];
  return 0;
}

/* A request to run a plugin; the frame is kept until the plugin has its input. `end` is behind its last byte. */
static void on_run(uint32_t id, char *frame, char *end) {
  char *path = frame + 5, *at;
  size_t count = 0;
  for (at = path; at < end && *at != '\0'; at += strlen(at) + 1) count += 1;
  char **variables = calloc(count + 1, sizeof(*variables));
  int problem = at >= end || count == 0 || variables == NULL ? EINVAL : run_count == MAX_RUNS ? EAGAIN : 0;
  struct run *run = &runs[run_count];
  if (problem == 0) {
    size_t index = 0;
    for (char *text = path + strlen(path) + 1; text < at; text += strlen(text) + 1) variables[index++] = text;
    *run = (struct run){.id = id, .in = -1, .out = -1, .err = -1, .frame = frame, .input = at + 1};
    run->input_left = (size_t)(end - (at + 1));
    problem = start_with_pipes(run, path, variables);
  }
  free(variables);
  if (problem == 0) {
    run_count += 1;
    return;
  }
  answer('F', id, (uint32_t)problem, NULL, 0, NULL, 0);
  free(frame);
}

static int bring_loopback_up(void) {
  struct ifreq lo = {.ifr_name = "lo"};
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return -1;
  int made = ioctl(any, SIOCGIFFLAGS, &lo);
  lo.ifr_flags |= IFF_UP;
  if (made == 0) made = ioctl(any, SIOCSIFFLAGS, &lo);
  close(any);
  return made;
}

/* Makes a network namespace; answers its descriptor, or -1. No plugin is started while this process is in it. */
static int make_namespace(void) {
  int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0 || unshare(CLONE_NEWNET) != 0) {
    close_end(&own);
    return -1;
  }
  int made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (made >= 0 && bring_loopback_up() != 0) close_end(&made);
  int problem = errno;
  if (setns(own, CLONE_NEWNET) != 0) _exit(1); /* it would run plugins in there */
  close(own);
  errno = problem;
  return made;
}

/* Behind each frame is a NUL, so that texts in it end. */
static void on_frame(char *frame, size_t length) {
  uint32_t id = length < 5 ? 0 : get32(frame + 1);
  if (length >= 5 && frame[0] == 'R') {
    on_run(id, frame, frame + length);
    return;
  }
  if (length >= 5 && frame[0] == 'N') {
    int made = make_namespace();
    answer(made < 0 ? 'F' : 'N', id, (uint32_t)(made < 0 ? errno : made), NULL, 0, NULL, 0);
  }
  if (length >= 5 && frame[0] == 'C' && (int)id > 2 && ioctl((int)id, NS_GET_NSTYPE) == CLONE_NEWNET) close((int)id);
  for (int index = 0; length >= 5 && frame[0] == 'K' && index < run_count; index += 1) {
    if (runs[index].id != id) continue;
    kill_run(&runs[index]);
    settle(&runs[index]);
    break;
  }
  free(frame);
}

/* Reads a part of a request. */
static void read_request(void) {
  static unsigned char head[4];
  static size_t head_length, used, length;
  static char *frame;
  ssize_t got = frame == NULL ? read(0, head + head_length, sizeof(head) - head_length)
                              : read(0, frame + used, length - used);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) _exit(0);
  if (frame != NULL) {
    used += (size_t)got;
  } else if ((head_length += (size_t)got) == sizeof(head)) {
    length = get32((const char *)head);
    if (length == 0 || length > MAX_FRAME || (frame = malloc(length + 1)) == NULL) _exit(1);
    frame[length] = '\0';
    used = 0;
  }
  if (frame != NULL && used == length) {
    char *whole = frame;
    frame = NULL;
    head_length = 0;
    on_frame(whole, length);
  }
}

/* Reads what a plugin has printed, and keeps the last `most` bytes; answers how many came, 0 at the end. */
static size_t collect(int *fd, char **bytes, size_t *length, size_t most) {
  static char chunk[CHUNK];
  ssize_t got = read(*fd, chunk, sizeof(chunk));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) {
    close_end(fd);
    return 0;
  }
  size_t kept = *length + (size_t)got > most ? most - (size_t)got : *length;
  char *grown = realloc(*bytes, kept + (size_t)got);
  if (grown == NULL) _exit(1);
  memmove(grown, grown + *length - kept, kept);
  memcpy(grown + kept, chunk, (size_t)got);
  *bytes = grown;
  *length = kept + (size_t)got;
  return (size_t)got;
}

static void feed(struct run *run) {
  ssize_t written = write(run->in, run->input, run->input_left);
  if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
  /* A plugin may end without reading its input. */
  if (written < 0) written = (ssize_t)run->input_left;
  run->input += written;
  run->input_left -= (size_t)written;
}

/* Takes up what a run's pipes have; true when it was settled. */
static int serve(struct run *run, const struct pollfd polled[3]) {
  if (run->in >= 0 && polled[0].revents != 0) feed(run);
  if (run->in >= 0 && run->input_left == 0) close_end(&run->in);
  if (run->out >= 0 && polled[1].revents != 0) {
    size_t before = run->out_length;
    size_t got = collect(&run->out, &run->out_bytes, &run->out_length, MAX_STDOUT);
    if (before + got > MAX_STDOUT) {
      run->too_much = 1;
      kill_run(run);
    }
  }
  if (run->err >= 0 && polled[2].revents != 0) collect(&run->err, &run->err_bytes, &run->err_length, MAX_STDERR);
  return settle(run);
}

/* Takes note of all that have ended. */
static void note_ends(void) {
  for (int index = run_count - 1; index >= 0; index -= 1) {
    struct run *run = &runs[index];
    siginfo_t end = {0};
    if (run->ended || waitid(P_PID, (id_t)run->pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid == 0) continue;
    run->ended = 1;
    run->end_kind = end.si_code == CLD_EXITED ? 'E' : 'S';
    run->end_value = (uint32_t)end.si_status;
    settle(run);
  }
}

int main(void) {
  static struct pollfd polled[2 + 3 * MAX_RUNS];
  sigset_t child;
  sigemptyset(&no_signals);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, NULL);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_NAME, "cridock-cni", 0, 0, 0);
  int ends = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (ends < 0) return 1;
  answer('E', 0, 0, NULL, 0, NULL, 0); /* ready */
  for (;;) {
    int count = run_count;
    polled[0] = (struct pollfd){.fd = 0, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = ends, .events = POLLIN};
    for (int index = 0; index < count; index += 1) {
      struct run *run = &runs[index];
      polled[2 + 3 * index] = (struct pollfd){.fd = run->in, .events = POLLOUT};
      polled[3 + 3 * index] = (struct pollfd){.fd = run->out, .events = POLLIN};
      polled[4 + 3 * index] = (struct pollfd){.fd = run->err, .events = POLLIN};
    }
    if (poll(polled, (nfds_t)(2 + 3 * count), -1) < 0) {
      if (errno == EINTR) continue;
      return 1;
    }
    /* From behind: one that is settled gives its place to the last. */
    for (int index = count - 1; index >= 0; index -= 1) serve(&runs[index], &polled[2 + 3 * index]);
    if (polled[1].revents != 0) {
      struct signalfd_siginfo info;
      while (read(ends, &info, sizeof(info)) > 0) continue;
      note_ends();
    }
    if (polled[0].revents != 0) read_request();
  }
}
