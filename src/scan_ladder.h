// From the formula to the fast scan, one step at a time: chapter 4's ladder.
#ifndef SCAN_LADDER_H
#define SCAN_LADDER_H

#include "scan.h"

// The rungs from the bottom up, each a backend that only the book and the
// benchmark ask for: "naive", "fused", "strips", "exp", "blocked", "ahead",
// "threaded". All but the last use one thread; the last two are what "cpu" does
// with one thread and with all.
extern const ScanBackend *const scan_ladder[];
extern const size_t n_scan_ladder;

#endif
