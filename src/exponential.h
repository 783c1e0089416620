// The exponential function in a few additions and multiplications, so that a
// compiler can compute many of them at once. Chapter 4 says how it works.
#ifndef EXPONENTIAL_H
#define EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

// Adding this to a number between -127 and 128 leaves no room for a fraction:
// the sum is rounded to a whole number, and its last nine bits are that number
// plus 127, which is how a float stores the exponent.
static const float exponential_shift = 0x1.8p23f + 127;

// p 2^n, for the n that was rounded by adding the shift. 0 for n = -127, and
// infinity for n = 128.
static inline float times_power_of_two(float p, float shifted) {
    uint32_t bits;
    float power;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;  // the exponent in its place, all other bits out
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

// The clamps of the two functions below: {-127, 128}, and their multiples by
// ln 2. They are kept where the compiler cannot see their values: gcc would
// follow each to its end, and make branches of what is one maximum.
typedef struct {
    float least, most;
} ExponentialRange;
extern const ExponentialRange power_of_two_range, exponential_range;

// 2^x within 1.5 units in the last place. 0 below 2^-126.5, infinity above
// 2^127.5; NaN stays NaN.
static inline float power_of_two(float x) {
    x = x < power_of_two_range.least ? power_of_two_range.least : x;
    x = x > power_of_two_range.most ? power_of_two_range.most : x;
    float shifted = x + exponential_shift;
    float r = x - (shifted - exponential_shift);  // -1/2 to 1/2

    // 2^r, by the polynomial with p(0) = 1 whose largest error is least, 5e-9.
    float p = 1.535336e-4f;
    p = p * r + 1.3398875e-3f;
    p = p * r + 9.618437e-3f;
    p = p * r + 5.5503324e-2f;
    p = p * r + 2.4022648e-1f;
    p = p * r + 6.931472e-1f;
    p = p * r + 1;
    return times_power_of_two(p, shifted);
}

// e^x, as close as power_of_two(). 0 below -87.7, infinity above 88.4.
static inline float exponential(float x) {
    x = x < exponential_range.least ? exponential_range.least : x;
    x = x > exponential_range.most ? exponential_range.most : x;
    // x = n ln 2 + r. ln 2 in two parts: n times the first has no rounding.
    float shifted = x * 1.44269504f + exponential_shift;
    float n = shifted - exponential_shift;
    float r = (x - n * 0x1.62e4p-1f) - n * 1.4286068e-6f;

    // e^r for r from -ln(2)/2 to ln(2)/2, in the same way.
    float p = 1.3843653e-3f;
    p = p * r + 8.3741555e-3f;
    p = p * r + 4.1668e-2f;
    p = p * r + 1.6666432e-1f;
    p = p * r + 4.9999994e-1f;
    p = p * r + 1;
    p = p * r + 1;
    return times_power_of_two(p, shifted);
}

#endif
