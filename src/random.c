#include "random.h"

#include <math.h>

Random random_from_seed(uint64_t seed) {
    return (Random){.state = seed};
}

uint64_t random_bits(Random *random) {
    uint64_t bits = random->state +=
        0x9e3779b97f4a7c15u;  // 2^64 / golden ratio
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

double random_uniform(Random *random, double low, double high) {
    double unit = (double)(random_bits(random) >> 11) *
                  0x1p-53;  // [0, 1): all 53 bits of a double
    return low + (high - low) * unit;
}

// Box and Muller (1958): an angle and a radius give a point of the plane's
// normal distribution; its first coordinate is the number.
double random_normal(Random *random, double mean, double deviation) {
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(1 - random_uniform(random, 0, 1)));
    double angle = two_pi * random_uniform(random, 0, 1);
    return mean + deviation * radius * cos(angle);
}
