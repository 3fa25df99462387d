/*
 * Preloaded into a process: journals every write, truncation and flush below one folder, so that
 * the files can be rebuilt as a power loss would have left them at any moment.
 *
 *   POWER_DIR  folder, POWER_LOG  journal
 *
 * A record: kind, flags, begin and end in ns of CLOCK_MONOTONIC, offset, length, length of the
 * path, path, data. `flags` is 1 where the file was opened with O_DSYNC or O_SYNC: such a write is
 * on disk when it returns. Written with raw system calls, in the order in which calls returned.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 3 };

struct record {
  uint32_t kind, flags;
  uint64_t begin, end, offset, length;
  uint64_t path_length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -2;

static uint64_t now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Length of the path where the file is one of ours, else 0. */
static size_t ours(int fd, char *path, size_t size) {
  const char *dir = getenv("POWER_DIR");
  char link[64];
  ssize_t length;
  if (!dir || fd < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  length = readlink(link, path, size - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strncmp(path, dir, strlen(dir)) == 0 ? (size_t)length : 0;
}

static void put(const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    long written = syscall(SYS_write, log_fd, at, length);
    if (written <= 0) abort();
    at += written;
    length -= (size_t)written;
  }
}

static void journal(int kind, int fd, const char *path, size_t path_length, uint64_t begin,
                    uint64_t offset, uint64_t length, const struct iovec *parts, int count) {
  struct record r = { .kind = (uint32_t)kind, .begin = begin, .end = now(), .offset = offset,
                      .length = length, .path_length = path_length };
  int flags = fcntl(fd, F_GETFL);
  r.flags = flags >= 0 && (flags & O_DSYNC) ? 1 : 0;
  pthread_mutex_lock(&lock);
  if (log_fd == -2) {
    log_fd = open(getenv("POWER_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log_fd < 0) abort();
  }
  put(&r, sizeof r);
  put(path, path_length);
  for (int i = 0; i < count && length > 0; i++) {
    size_t take = parts[i].iov_len < length ? parts[i].iov_len : (size_t)length;
    put(parts[i].iov_base, take);
    length -= take;
  }
  pthread_mutex_unlock(&lock);
}

#define REAL(name, ...) \
  static __typeof__(name) *real; \
  if (!real) real = dlsym(RTLD_NEXT, #name); \
  char path[4096]; \
  uint64_t begin = now(); \
  size_t found = ours(fd, path, sizeof path)

ssize_t write(int fd, const void *data, size_t length) {
  REAL(write);
  ssize_t n = real(fd, data, length);
  if (found && n > 0) {
    struct iovec part = { (void *)data, (size_t)n };
    journal(WRITE, fd, path, found, begin, (uint64_t)(lseek(fd, 0, SEEK_CUR) - n), (uint64_t)n, &part, 1);
  }
  return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  ssize_t n = real(fd, parts, count);
  if (found && n > 0)
    journal(WRITE, fd, path, found, begin, (uint64_t)(lseek(fd, 0, SEEK_CUR) - n), (uint64_t)n, parts, count);
  return n;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  REAL(pwrite64);
  ssize_t n = real(fd, data, length, offset);
  if (found && n > 0) {
    struct iovec part = { (void *)data, (size_t)n };
    journal(WRITE, fd, path, found, begin, (uint64_t)offset, (uint64_t)n, &part, 1);
  }
  return n;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  REAL(pwritev64);
  ssize_t n = real(fd, parts, count, offset);
  if (found && n > 0) journal(WRITE, fd, path, found, begin, (uint64_t)offset, (uint64_t)n, parts, count);
  return n;
}

int fdatasync(int fd) {
  REAL(fdatasync);
  int rc = real(fd);
  if (found && rc == 0) journal(SYNC, fd, path, found, begin, 0, 0, NULL, 0);
  return rc;
}

int fsync(int fd) {
  REAL(fsync);
  int rc = real(fd);
  if (found && rc == 0) journal(SYNC, fd, path, found, begin, 0, 0, NULL, 0);
  return rc;
}

int ftruncate64(int fd, off64_t length) {
  REAL(ftruncate64);
  int rc = real(fd, length);
  if (found && rc == 0) journal(TRUNCATE, fd, path, found, begin, (uint64_t)length, 0, NULL, 0);
  return rc;
}
