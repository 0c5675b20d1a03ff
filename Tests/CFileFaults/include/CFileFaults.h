#pragma once
// Makes one kind of call on files fail in the calling thread, the way some file systems do. Linked into the tests only: the
// functions are defined in front of glibc's and pass every other call on. Swift cannot define C functions for others to call.

enum CFileFaults_Call {
    CFileFaults_none,
    CFileFaults_link,
    CFileFaults_symlink,
    CFileFaults_fsyncFolder,
    CFileFaults_fsyncFile,
    CFileFaults_flock,
    CFileFaults_ftruncate,
    CFileFaults_rename,
    CFileFaults_read,
    CFileFaults_write,
    CFileFaults_interrupt,  // each of these calls once with EINTR, then they pass
};

/// From now on calls of this kind by this thread fail with this errno; none ends it.
void CFileFaults_fail(enum CFileFaults_Call call, int number);
