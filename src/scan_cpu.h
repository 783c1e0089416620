// The sequential scan: one pass over time, nothing of size L x D x N stored.
#ifndef SCAN_CPU_H
#define SCAN_CPU_H

#include "scan.h"

// How many neighbouring channels go through time together: as many as fill a
// cache line of u, delta, z and y.
enum { SCAN_STRIP = 16 };

// A part of a scan: steps [t_begin, t_end) and channels [d_begin, d_end) of
// sequence b.
typedef struct {
    size_t b, t_begin, t_end, d_begin, d_end;
} ScanSpan;

// Scans one span from the state h (d_end - d_begin, N), which goes on.
void scan_cpu_span(const Scan *scan, ScanSpan span, float *h);

// Strips of channels and sequences, shared among the threads. Each strip is
// computed the same way whichever thread has it, so any number of threads gives
// the same bits.
bool scan_cpu(const Scan *scan, void *workspace, Error *err);

// Fewer state updates than this are not worth waking a thread for.
enum { SCAN_LARGE = 1 << 16 };

static inline bool scan_is_large(const Scan *scan) {
    return scan->batch * scan->length * scan->d_inner * scan->d_state >
           SCAN_LARGE;
}

// How many strips d_inner channels make, and where strip s of sequence b ends.
size_t scan_strips(const Scan *scan);
ScanSpan scan_strip(const Scan *scan, size_t b, size_t s);

#endif
