// Random numbers that are the same on every machine: SplitMix64 (Steele, Lea
// and Flood, 2014), 64 bits of state that the caller owns.
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

typedef struct {
    uint64_t state;
} Random;

// A generator whose whole future is this seed.
Random random_from_seed(uint64_t seed);

// 64 random bits.
uint64_t random_bits(Random *random);

// A real number, uniform in [low, high).
double random_uniform(Random *random, double low, double high);

// A real number from the normal distribution N(mean, deviation).
double random_normal(Random *random, double mean, double deviation);

#endif
