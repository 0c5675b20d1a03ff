#include "CMappedFiles.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// The handler reads this table at any time, so it has a fixed place and atomic fields. A start of 0 is a free row.
enum { maps = 1024 };
static struct {
    _Atomic uintptr_t start, end;
    atomic_bool isLost;
} table[maps];
_Static_assert(ATOMIC_POINTER_LOCK_FREE == 2, "a signal handler must not wait for a lock");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool isInstalled;
static struct sigaction before;
static uintptr_t pageBytes;

static void handle(int signal, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t address = (uintptr_t)info->si_addr;
    // Positive codes are the kernel's own; a signal that a process sent has no address.
    for (int number = 0; info->si_code > 0 && number < maps; number++) {
        uintptr_t start = atomic_load(&table[number].start), end = atomic_load(&table[number].end);
        if (start == 0 || address < start || address >= end) continue;
        // First the mark: whoever reads the zeros must find it.
        atomic_store(&table[number].isLost, true);
        uintptr_t page = address & ~(pageBytes - 1);
        int reason = errno;
        void *zeros =
            mmap((void *)page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        errno = reason;
        if (zeros != MAP_FAILED) return;
    }
    sigaction(SIGBUS, &before, NULL);
    // A fault comes again by itself when the handler returns.
    if (info->si_code <= 0) raise(signal);
}

static bool install(void) {
    if (isInstalled) return true;
    pageBytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    isInstalled = sigaction(SIGBUS, &action, &before) == 0;
    return isInstalled;
}

int CMappedFiles_add(const void *start, size_t byteCount) {
    pthread_mutex_lock(&lock);
    int found = -1;
    if (install()) {
        for (int number = 0; number < maps && found < 0; number++) {
            if (atomic_load(&table[number].start) == 0) found = number;
        }
    }
    if (found >= 0) {
        atomic_store(&table[found].isLost, false);
        atomic_store(&table[found].end, ((uintptr_t)start + byteCount + pageBytes - 1) & ~(pageBytes - 1));
        atomic_store(&table[found].start, (uintptr_t)start);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

bool CMappedFiles_isLost(int number) { return atomic_load(&table[number].isLost); }

void CMappedFiles_remove(int number) {
    pthread_mutex_lock(&lock);
    atomic_store(&table[number].start, 0);
    pthread_mutex_unlock(&lock);
}
