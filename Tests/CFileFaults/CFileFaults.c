#define _GNU_SOURCE
#include "CFileFaults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static _Thread_local enum CFileFaults_Call failing;
static _Thread_local int failure;
static _Thread_local int interrupted;

void CFileFaults_fail(enum CFileFaults_Call call, int number) {
    failing = call;
    failure = number;
    interrupted = 0;
}

static int isHit(enum CFileFaults_Call call) {
    if (failing == CFileFaults_interrupt) {
        // Every second call is interrupted.
        interrupted = !interrupted;
        errno = EINTR;
        return interrupted;
    }
    if (failing != call) return 0;
    errno = failure;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int link(const char *from, const char *to) { return isHit(CFileFaults_link) ? -1 : NEXT(link)(from, to); }

int symlink(const char *target, const char *path) {
    return isHit(CFileFaults_symlink) ? -1 : NEXT(symlink)(target, path);
}

int rename(const char *from, const char *to) { return isHit(CFileFaults_rename) ? -1 : NEXT(rename)(from, to); }

int flock(int file, int operation) { return isHit(CFileFaults_flock) ? -1 : NEXT(flock)(file, operation); }

int ftruncate(int file, off_t length) { return isHit(CFileFaults_ftruncate) ? -1 : NEXT(ftruncate)(file, length); }

int fsync(int file) {
    struct stat status;
    int isFolder = fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
    return isHit(isFolder ? CFileFaults_fsyncFolder : CFileFaults_fsyncFile) ? -1 : NEXT(fsync)(file);
}

ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
    return isHit(CFileFaults_read) ? -1 : NEXT(pread)(file, bytes, count, offset);
}

ssize_t write(int file, const void *bytes, size_t count) {
    return isHit(CFileFaults_write) ? -1 : NEXT(write)(file, bytes, count);
}
