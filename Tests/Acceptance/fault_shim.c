// An LD_PRELOAD library that makes one call on the files of one folder go wrong, as a crash or a bad disk would.
//
// FAULT_FOLDER  absolute path; only calls on it and on what lies below count
// FAULT_TEXT    when set, only writes that hold this text count
// FAULT_AT      the call that is hit, from 1
// FAULT_ACTION  kill (a write is half done first), enospc, eio, enospc-on (that call and all after it that need room),
//               usr1 (the call is done, then the process gets SIGUSR1), delay (fsync of a temporary file takes 1.5 s),
//               refuse (every call that FAULT_CALLS names fails with FAULT_ERRNO, as on a file system that has no such call)
// FAULT_CALLS   with refuse: a list such as ,link,symlink,fsync-folder,flock, with commas at both ends
// FAULT_ERRNO   with refuse: a number
// FAULT_LOG     a file outside of the folder: one line for each counted call

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int calls;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int isInside(const char *path) {
    const char *folder = setting("FAULT_FOLDER");
    size_t length = strlen(folder);
    return length > 0 && strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

// The path of an open file; a path relative to the current folder is made absolute.
static const char *pathOf(int file, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    if (length < 0) return "";
    buffer[length] = 0;
    return buffer;
}

static const char *absolute(const char *path, char *buffer) {
    if (path[0] == '/') return path;
    char folder[PATH_MAX];
    if (!getcwd(folder, sizeof folder)) return "";
    snprintf(buffer, PATH_MAX, "%.2000s/%.2000s", folder, path);
    return buffer;
}

enum Verdict { pass, fault, die, signalAfter };

static enum Verdict judge(const char *call, const char *path, int needsRoom, const void *bytes, size_t count) {
    if (!isInside(path)) return pass;
    const char *action = setting("FAULT_ACTION"), *text = setting("FAULT_TEXT");
    if (*text && (!bytes || !memmem(bytes, count, text, strlen(text)))) return pass;
    if (strcmp(action, "delay") == 0) {
        size_t length = strlen(path);
        if (strcmp(call, "fsync") == 0 && length > 4 && strcmp(path + length - 4, ".tmp") == 0) usleep(1500000);
        return pass;
    }
    if (strcmp(action, "refuse") == 0) {
        char word[64];
        snprintf(word, sizeof word, ",%s,", call);
        if (!strstr(setting("FAULT_CALLS"), word)) return pass;
        errno = atoi(setting("FAULT_ERRNO"));
        return fault;
    }
    int number = atomic_fetch_add(&calls, 1) + 1, at = atoi(setting("FAULT_AT"));
    int isHit = number == at || (number > at && at > 0 && strcmp(action, "enospc-on") == 0 && needsRoom);
    const char *log = setting("FAULT_LOG");
    if (*log) {
        int file = NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%d %s %s%s\n", number, call, path, isHit ? " HIT" : "");
        if (file >= 0) {
            if (NEXT(write)(file, line, (size_t)length) != length) abort();
            close(file);
        }
    }
    if (!isHit) return pass;
    if (strcmp(action, "kill") == 0) return die;
    if (strcmp(action, "usr1") == 0) return signalAfter;
    errno = strcmp(action, "eio") == 0 ? EIO : ENOSPC;
    return fault;
}

static void end(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

ssize_t write(int file, const void *bytes, size_t count) {
    char buffer[PATH_MAX];
    switch (judge("write", pathOf(file, buffer), 1, bytes, count)) {
    case fault: return -1;
    case die:
        if (NEXT(write)(file, bytes, count / 2) < 0) abort();
        end();
        return -1;
    case signalAfter: {
        ssize_t done = NEXT(write)(file, bytes, count);
        kill(getpid(), SIGUSR1);
        return done;
    }
    default: return NEXT(write)(file, bytes, count);
    }
}

// What a call that takes a path or a file does first.
#define GUARD(call, path, needsRoom)                                                                                   \
    switch (judge(call, path, needsRoom, NULL, 0)) {                                                                   \
    case fault: return -1;                                                                                             \
    case die: end(); return -1;                                                                                        \
    default: break;                                                                                                    \
    }

int fsync(int file) {
    char buffer[PATH_MAX];
    struct stat status;
    int isFolder = fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
    GUARD(isFolder ? "fsync-folder" : "fsync", pathOf(file, buffer), 1)
    return NEXT(fsync)(file);
}

int flock(int file, int operation) {
    char buffer[PATH_MAX];
    GUARD("flock", pathOf(file, buffer), 0)
    return NEXT(flock)(file, operation);
}

int unlinkat(int folder, const char *name, int flags) {
    char buffer[PATH_MAX], path[PATH_MAX];
    snprintf(path, sizeof path, "%.2000s/%.2000s", pathOf(folder, buffer), name);
    GUARD("unlink", path, 0)
    return NEXT(unlinkat)(folder, name, flags);
}

int ftruncate(int file, off_t length) {
    char buffer[PATH_MAX];
    GUARD("ftruncate", pathOf(file, buffer), 0)
    return NEXT(ftruncate)(file, length);
}

int rename(const char *from, const char *to) {
    char buffer[PATH_MAX];
    GUARD("rename", absolute(to, buffer), 0)
    return NEXT(rename)(from, to);
}

int unlink(const char *path) {
    char buffer[PATH_MAX];
    GUARD("unlink", absolute(path, buffer), 0)
    return NEXT(unlink)(path);
}

int link(const char *from, const char *to) {
    char buffer[PATH_MAX];
    GUARD("link", absolute(to, buffer), 1)
    return NEXT(link)(from, to);
}

int symlink(const char *target, const char *path) {
    char buffer[PATH_MAX];
    GUARD("symlink", absolute(path, buffer), 1)
    return NEXT(symlink)(target, path);
}

int mkdir(const char *path, mode_t mode) {
    char buffer[PATH_MAX];
    GUARD("mkdir", absolute(path, buffer), 1)
    return NEXT(mkdir)(path, mode);
}

static mode_t modeOf(int flags, va_list arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        char buffer[PATH_MAX];                                                                                         \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = modeOf(flags, arguments);                                                                        \
        va_end(arguments);                                                                                             \
        GUARD("open", absolute(path, buffer), flags &O_CREAT)                                                          \
        return NEXT(name)(path, flags, mode);                                                                          \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        char buffer[PATH_MAX];                                                                                         \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = modeOf(flags, arguments);                                                                        \
        va_end(arguments);                                                                                             \
        GUARD("openat", absolute(path, buffer), flags &O_CREAT)                                                        \
        return NEXT(name)(folder, path, flags, mode);                                                                  \
    }
OPENAT(openat)
OPENAT(openat64)
