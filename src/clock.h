// Time, for measurements only: nothing the library computes depends on it.
#ifndef CLOCK_H
#define CLOCK_H

// Seconds since some moment in the past; never runs backwards.
double seconds_now(void);

#endif
