#pragma once

/// Requests to stop that batch systems and terminals send, and that would end a process which does not expect them: SIGUSR1,
/// SIGUSR2, SIGHUP, SIGXCPU. They are blocked from the moment the program's own code first runs, before any library
/// starts, and wait until `CSignals_release`: when the command is known that decides what they mean. Blocking needs C: what
/// runs first in a program is listed in a section of its own.
void CSignals_release(void);
