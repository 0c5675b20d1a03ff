#define _GNU_SOURCE
#include "CSignals.h"

#include <signal.h>

static sigset_t held(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGXCPU);
    return set;
}

static void hold(void) {
    sigset_t set = held();
    sigprocmask(SIG_BLOCK, &set, 0);
}

// Run before the constructors of all libraries; but not before a sanitizer's, which comes here too.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = hold;
#else
__attribute__((constructor)) static void first(void) { hold(); }
#endif

void CSignals_release(void) {
    sigset_t set = held();
    pthread_sigmask(SIG_UNBLOCK, &set, 0);
}
