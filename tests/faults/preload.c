/* A library that makes the n-th system call of some kinds fail, below some folders only.
 *
 * It is preloaded (LD_PRELOAD) by the process that forks commands. What it does is said in a file
 * of one struct control (preload.py writes it), which all processes map and so count in together.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call { OPEN = 1, WRITE = 2, SYNC = 4, RESIZE = 8, RENAME = 16, UNLINK = 32, MKDIR = 64,
            READ = 128 };
enum effect { NOTHING, FAIL, SHORTEN, SIGNAL_BEFORE, SIGNAL_AFTER };
enum { FOLDERS = 4, LENGTH = 512 };

struct control {
    int32_t calls;    /* The kinds of calls that count, a sum of enum call; 0: none. */
    int32_t effect;
    int32_t number;   /* The error, or the signal. */
    int32_t lasting;  /* Whether all calls from the n-th on fail. */
    int64_t nth;      /* From 1. */
    int64_t seen;     /* How many calls have counted. */
    int64_t struck;   /* How many of them were changed. */
    int64_t clock;    /* Seconds that are added to the time of day. */
    int64_t process;  /* The last process of which a call was changed. */
    char folders[FOLDERS][LENGTH];
};

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_CONTROL");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (mapped != MAP_FAILED)
        control = mapped;
}

static int is_watched(const char *path)
{
    for (int i = 0; i < FOLDERS; i++) {
        size_t length = strnlen(control->folders[i], LENGTH);
        if (length && !strncmp(path, control->folders[i], length))
            return 1;
    }
    return 0;
}

/* What happens to this call: an effect, or NOTHING. */
static enum effect strike(const char *path)
{
    if (!is_watched(path))
        return NOTHING;
    int64_t number = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (number != control->nth && !(control->lasting && number > control->nth))
        return NOTHING;
    control->process = getpid();
    __atomic_add_fetch(&control->struck, 1, __ATOMIC_SEQ_CST);
    if (control->effect == SIGNAL_BEFORE)
        syscall(SYS_kill, getpid(), control->number);
    if (control->effect == FAIL)
        errno = control->number;
    return control->effect;
}

static int path_of(int file, char *path)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

static enum effect strike_file(enum call call, int file)
{
    char path[PATH_MAX];
    int before = errno;
    if (!control || !(control->calls & call) || !path_of(file, path))
        return NOTHING;
    errno = before;
    return strike(path);
}

static enum effect strike_path(enum call call, int folder, const char *name)
{
    char path[2 * PATH_MAX];
    if (!control || !(control->calls & call) || !name)
        return NOTHING;
    if (*name == '/')
        return strike(name);
    int before = errno;
    if (folder == AT_FDCWD ? syscall(SYS_getcwd, path, PATH_MAX) < 0 : !path_of(folder, path))
        return NOTHING;
    errno = before;
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/%s", name);
    return strike(path);
}

/* The result of a call that has been made, or an end of the process after it. */
#define DONE(effect, result)                                                                       \
    do {                                                                                           \
        if ((effect) == SIGNAL_AFTER) {                                                            \
            int before_signal = errno;                                                             \
            syscall(SYS_kill, getpid(), control->number);                                          \
            errno = before_signal;                                                                 \
        }                                                                                          \
        return result;                                                                             \
    } while (0)

#define REAL(type, name, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (!real)                                                                                     \
        real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A function of the C library whose first argument is an open file, or a path. */
#define OF_FILE(call, type, name, parameters, arguments, ...)                                      \
    type name parameters                                                                           \
    {                                                                                              \
        REAL(type, name, __VA_ARGS__);                                                             \
        enum effect effect = strike_file(call, file);                                              \
        if (effect == FAIL)                                                                        \
            return -1;                                                                             \
        type result = real arguments;                                                              \
        DONE(effect, result);                                                                      \
    }

#define OF_PATH(call, folder, path, name, parameters, arguments, ...)                              \
    int name parameters                                                                            \
    {                                                                                              \
        REAL(int, name, __VA_ARGS__);                                                              \
        enum effect effect = strike_path(call, folder, path);                                      \
        if (effect == FAIL)                                                                        \
            return -1;                                                                             \
        int result = real arguments;                                                               \
        DONE(effect, result);                                                                      \
    }

#define HALF (effect == SHORTEN && count > 1 ? count / 2 : count)

OF_FILE(WRITE, ssize_t, write, (int file, const void *data, size_t count), (file, data, HALF),
        int, const void *, size_t)
OF_FILE(WRITE, ssize_t, pwrite, (int file, const void *data, size_t count, off_t at),
        (file, data, HALF, at), int, const void *, size_t, off_t)
OF_FILE(WRITE, ssize_t, pwrite64, (int file, const void *data, size_t count, off64_t at),
        (file, data, HALF, at), int, const void *, size_t, off64_t)
OF_FILE(WRITE, ssize_t, writev, (int file, const struct iovec *parts, int count),
        (file, parts, HALF), int, const struct iovec *, int)
OF_FILE(READ, ssize_t, read, (int file, void *data, size_t count), (file, data, HALF),
        int, void *, size_t)
OF_FILE(READ, ssize_t, pread, (int file, void *data, size_t count, off_t at),
        (file, data, HALF, at), int, void *, size_t, off_t)
OF_FILE(READ, ssize_t, pread64, (int file, void *data, size_t count, off64_t at),
        (file, data, HALF, at), int, void *, size_t, off64_t)
OF_FILE(SYNC, int, fsync, (int file), (file), int)
OF_FILE(SYNC, int, fdatasync, (int file), (file), int)
OF_FILE(RESIZE, int, ftruncate, (int file, off_t size), (file, size), int, off_t)
OF_FILE(RESIZE, int, ftruncate64, (int file, off64_t size), (file, size), int, off64_t)
OF_FILE(RESIZE, int, fallocate, (int file, int mode, off_t at, off_t size),
        (file, mode, at, size), int, int, off_t, off_t)

OF_PATH(RENAME, AT_FDCWD, to, rename, (const char *from, const char *to), (from, to),
        const char *, const char *)
OF_PATH(RENAME, there, to, renameat, (int here, const char *from, int there, const char *to),
        (here, from, there, to), int, const char *, int, const char *)
OF_PATH(RENAME, AT_FDCWD, to, link, (const char *from, const char *to), (from, to),
        const char *, const char *)
OF_PATH(RENAME, there, to, linkat,
        (int here, const char *from, int there, const char *to, int flags),
        (here, from, there, to, flags), int, const char *, int, const char *, int)
OF_PATH(UNLINK, AT_FDCWD, path, unlink, (const char *path), (path), const char *)
OF_PATH(UNLINK, AT_FDCWD, path, rmdir, (const char *path), (path), const char *)
OF_PATH(UNLINK, here, path, unlinkat, (int here, const char *path, int flags),
        (here, path, flags), int, const char *, int)
OF_PATH(MKDIR, AT_FDCWD, path, mkdir, (const char *path, mode_t mode), (path, mode),
        const char *, mode_t)
OF_PATH(MKDIR, here, path, mkdirat, (int here, const char *path, mode_t mode),
        (here, path, mode), int, const char *, mode_t)

/* The mode is there only if a file may be made. */
#define MODE                                                                                       \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

#define OPENS(folder, name, parameters, arguments, ...)                                            \
    int name parameters                                                                            \
    {                                                                                              \
        REAL(int, name, __VA_ARGS__);                                                              \
        MODE                                                                                       \
        enum effect effect = strike_path(OPEN, folder, path);                                      \
        if (effect == FAIL)                                                                        \
            return -1;                                                                             \
        int result = real arguments;                                                               \
        DONE(effect, result);                                                                      \
    }

OPENS(AT_FDCWD, open, (const char *path, int flags, ...), (path, flags, mode),
      const char *, int, ...)
OPENS(AT_FDCWD, open64, (const char *path, int flags, ...), (path, flags, mode),
      const char *, int, ...)
OPENS(here, openat, (int here, const char *path, int flags, ...), (here, path, flags, mode),
      int, const char *, int, ...)
OPENS(here, openat64, (int here, const char *path, int flags, ...), (here, path, flags, mode),
      int, const char *, int, ...)

/* posix_fallocate returns its error. */
int posix_fallocate(int file, off_t at, off_t size)
{
    REAL(int, posix_fallocate, int, off_t, off_t);
    enum effect effect = strike_file(RESIZE, file);
    if (effect == FAIL)
        return control->number;
    int result = real(file, at, size);
    DONE(effect, result);
}

/* The time of day jumps; the clock that only counts on does not, as in a kernel. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int result = real(clock, now);
    if (!result && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += control->clock;
    return result;
}
