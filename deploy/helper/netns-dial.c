/*
 * Makes connections inside the network namespaces of pods, and hands them to cridock: a socket stays in the namespace that
 * it was made in, and Node.js cannot change the namespace of its threads. One process serves all pods, in half a megabyte.
 *
 * It is started by src/network/dial-helper.ts with Node's channel for messages: a line of JSON each, and descriptors beside
 * them (child_process, `subprocess.send`). First it sends a socket with id 0, by which cridock sees that both understand
 * each other. It ends with the channel.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Connections that are being made: in all, and for one namespace, whose servers may accept none. */
#define MAX_DIALS 1024
#define MAX_DIALS_OF_ONE 256
#define DIAL_TIMEOUT_MS 30000
#define MAX_LINE 4096
#define MAX_TEXT 256

struct dial {
  unsigned id;
  unsigned port;
  unsigned long long inode;
  int namespace_fd;
  int socket_fd;
  int family;
  long long deadline_ms;
  char problems[MAX_TEXT];
};

static struct dial dials[MAX_DIALS];
static int dial_count;
static int channel_fd;
static int home_fd;

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The names that Node's errors have. */
static const char *error_name(int number) {
  switch (number) {
    case ECONNREFUSED: return "ECONNREFUSED";
    case EADDRNOTAVAIL: return "EADDRNOTAVAIL";
    case EAFNOSUPPORT: return "EAFNOSUPPORT";
    case ENETUNREACH: return "ENETUNREACH";
    case EHOSTUNREACH: return "EHOSTUNREACH";
    case ECONNRESET: return "ECONNRESET";
    case ETIMEDOUT: return "ETIMEDOUT";
    case EMFILE: return "EMFILE";
    case ENFILE: return "ENFILE";
    case EACCES: return "EACCES";
    case EPERM: return "EPERM";
    default: return strerror(number);
  }
}

/* Sends a line, with a descriptor beside it unless that is negative. Without cridock there is nothing left to do. */
static void send_line(const char *line, int fd) {
  size_t length = strlen(line);
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  while (length > 0) {
    struct iovec part = {.iov_base = (void *)line, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
      message.msg_control = &control;
      message.msg_controllen = sizeof(control.space);
      struct cmsghdr *header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      memcpy(CMSG_DATA(header), &fd, sizeof(int));
    }
    ssize_t sent = sendmsg(channel_fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      struct pollfd room = {.fd = channel_fd, .events = POLLOUT};
      if (errno == EAGAIN) poll(&room, 1, -1);
      else if (errno != EINTR) _exit(1);
      continue;
    }
    line += sent;
    length -= (size_t)sent;
    fd = -1;
  }
}

static void send_problem(unsigned id, const char *problem) {
  char line[MAX_TEXT + 64];
  snprintf(line, sizeof(line), "{\"id\":%u,\"error\":\"%s\"}\n", id, problem);
  send_line(line, -1);
}

static void send_socket(unsigned id, int fd) {
  char line[128];
  snprintf(line, sizeof(line), "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":{\"id\":%u}}\n", id);
  send_line(line, fd);
}

static void add_problem(struct dial *dial, int number) {
  size_t used = strlen(dial->problems);
  snprintf(dial->problems + used, MAX_TEXT - used, "%sconnect %s %s:%u", used > 0 ? "; " : "", error_name(number),
           dial->family == AF_INET ? "127.0.0.1" : "::1", dial->port);
}

/* Begins to connect to the loopback address of this family; answers an error number, EINPROGRESS or 0. */
static int begin(struct dial *dial) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((unsigned short)dial->port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)dial->port)};
  int on = 1, result = 0;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v6.sin6_addr = in6addr_loopback;
  if (setns(dial->namespace_fd, CLONE_NEWNET) != 0) return errno;
  dial->socket_fd = socket(dial->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (dial->socket_fd < 0) {
    result = errno;
  } else {
    setsockopt(dial->socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const struct sockaddr *address = dial->family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    if (connect(dial->socket_fd, address, dial->family == AF_INET ? sizeof(v4) : sizeof(v6)) != 0) result = errno;
  }
  /* To stay would keep the namespace after its pod. */
  if (setns(home_fd, CLONE_NEWNET) != 0) _exit(1);
  return result;
}

static void finish(struct dial *dial) {
  if (dial->socket_fd >= 0) close(dial->socket_fd);
  close(dial->namespace_fd);
  *dial = dials[--dial_count];
}

/* One attempt has ended so: the connection is there, or the other family is tried, or there is none. True while it goes on. */
static int go_on(struct dial *dial, int result) {
  for (;;) {
    if (result == EINPROGRESS) return 1;
    if (result == 0) {
      send_socket(dial->id, dial->socket_fd);
      break;
    }
    add_problem(dial, result);
    if (dial->family == AF_INET6) {
      send_problem(dial->id, dial->problems);
      break;
    }
    if (dial->socket_fd >= 0) close(dial->socket_fd);
    dial->family = AF_INET6;
    result = begin(dial);
  }
  finish(dial);
  return 0;
}

/* The namespace of this process, if it is the one that is meant: the pid may be another's by now. */
static int open_namespace(int pid, unsigned long long inode) {
  char path[64];
  struct stat facts;
  snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  if (fstat(fd, &facts) == 0 && facts.st_ino == inode) return fd;
  close(fd);
  errno = ESRCH;
  return -1;
}

static void on_line(const char *line) {
  unsigned id, port;
  int pid;
  unsigned long long inode;
  if (sscanf(line, "{\"id\":%u,\"pid\":%d,\"inode\":%llu,\"port\":%u}", &id, &pid, &inode, &port) != 4) return;
  int same = 0;
  for (int index = 0; index < dial_count; index += 1) same += dials[index].inode == inode;
  if (dial_count == MAX_DIALS || same >= MAX_DIALS_OF_ONE) {
    send_problem(id, "too many connections are being made, and not accepted");
    return;
  }
  int namespace_fd = open_namespace(pid, inode);
  if (namespace_fd < 0) {
    send_problem(id, errno == EMFILE || errno == ENFILE ? "no file descriptors left" : "the pod's network is gone");
    return;
  }
  struct dial *dial = &dials[dial_count++];
  *dial = (struct dial){.id = id, .port = port, .inode = inode, .namespace_fd = namespace_fd, .socket_fd = -1};
  dial->family = AF_INET;
  dial->deadline_ms = now_ms() + DIAL_TIMEOUT_MS;
  go_on(dial, begin(dial));
}

/* Reads what has come, and takes each whole line. */
static void read_channel(void) {
  static char buffer[MAX_LINE];
  static size_t used;
  ssize_t length = read(channel_fd, buffer + used, sizeof(buffer) - 1 - used);
  if (length == 0) _exit(0);
  if (length < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    _exit(1);
  }
  used += (size_t)length;
  char *line = buffer, *end;
  while ((end = memchr(line, '\n', used - (size_t)(line - buffer))) != NULL) {
    *end = '\0';
    on_line(line);
    line = end + 1;
  }
  used -= (size_t)(line - buffer);
  memmove(buffer, line, used);
  if (used == sizeof(buffer) - 1) _exit(1);
}

/* The shortest time that a connection has left; -1 when none is being made. */
static int time_left_ms(void) {
  long long least = -1, now = now_ms();
  for (int index = 0; index < dial_count; index += 1) {
    long long left = dials[index].deadline_ms > now ? dials[index].deadline_ms - now : 0;
    if (least < 0 || left < least) least = left;
  }
  return (int)least;
}

int main(void) {
  const char *channel = getenv("NODE_CHANNEL_FD");
  if (channel == NULL) return 2;
  channel_fd = atoi(channel);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (home_fd < 0 || first < 0) return 1;
  send_socket(0, first);
  close(first);
  for (;;) {
    static struct pollfd polled[MAX_DIALS + 1];
    polled[0] = (struct pollfd){.fd = channel_fd, .events = POLLIN};
    int count = dial_count;
    for (int index = 0; index < count; index += 1) {
      polled[index + 1] = (struct pollfd){.fd = dials[index].socket_fd, .events = POLLOUT};
    }
    if (poll(polled, (nfds_t)count + 1, time_left_ms()) < 0) {
      if (errno == EINTR) continue;
      return 1;
    }
    /* From behind: one that is finished gives its place to the last. */
    for (int index = count - 1; index >= 0; index -= 1) {
      struct dial *dial = &dials[index];
      int result = 0;
      socklen_t size = sizeof(result);
      if (polled[index + 1].revents != 0) {
        getsockopt(dial->socket_fd, SOL_SOCKET, SO_ERROR, &result, &size);
        go_on(dial, result);
      } else if (now_ms() >= dial->deadline_ms) {
        dial->family = AF_INET6;
        go_on(dial, ETIMEDOUT);
      }
    }
    if (polled[0].revents != 0) read_channel();
  }
}
