#pragma once
// Portable kernels: the definition of every operation's arithmetic. See each function's own note.
#include <stdint.h>
