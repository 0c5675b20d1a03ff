#include "CKernels.h"

/// Finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection in which every bit of the input moves every bit.
static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t CKernels_hash(const uint32_t *words, int64_t count) {
    // Four chains, so that multiplications overlap; each step is a bijection of its chain for any word.
    uint64_t chains[4] = {1, 2, 3, 4};
    for (int64_t i = 0; i < count; i++) {
        uint64_t *chain = &chains[i & 3];
        *chain = (*chain ^ words[i]) * 0x9e3779b97f4a7c15u;
        *chain ^= *chain >> 29;
    }
    uint64_t hash = (uint64_t)count;
    for (int j = 0; j < 4; j++) hash = mix(hash ^ chains[j]);
    return hash;
}
