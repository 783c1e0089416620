// The sequential scan: one pass over time, nothing of size L x D x N stored.
#ifndef SCAN_CPU_H
#define SCAN_CPU_H

#include "scan.h"

// How many neighbouring channels go through time together, one in each lane of
// a vector.
enum { SCAN_STRIP = 16 };

// A part of a scan: steps [t_begin, t_end) and channels [d_begin, d_end) of
// sequence b. At most a strip wide.
typedef struct {
    size_t b, t_begin, t_end, d_begin, d_end;
} ScanSpan;

// How many strips d_inner channels make, and all steps of strip s of sequence
// b.
size_t scan_strips(const Scan *scan);
ScanSpan scan_strip(const Scan *scan, size_t b, size_t s);

// What a strip of channels is computed from, laid out for vectors: in every row
// lane j belongs to channel d_begin + j. Lanes without a channel are 0.
typedef struct {
    float *A;  // (N, SCAN_STRIP), times log2(e): exp(Delta A) is 2^(Delta A)
    float *h;  // (N, SCAN_STRIP)
} ScanStrip;

// How many numbers of room a strip wants.
static inline size_t scan_strip_count(const Scan *scan) {
    return 2 * scan->d_state * SCAN_STRIP;
}

// Lays A and the states h (d_inner, N) of a span's channels out in the room,
// and puts the states back.
ScanStrip scan_strip_begin(const Scan *scan, ScanSpan span, const float *h,
                           float *room);
void scan_strip_end(const Scan *scan, ScanSpan span, ScanStrip strip, float *h);

// Scans a span from the states strip.h, which go on, and writes its y.
void scan_cpu_span(const Scan *scan, ScanSpan span, ScanStrip strip);

// Strips of channels and sequences, shared among the threads. Each strip is
// computed the same way whichever thread has it, so any number of threads gives
// the same bits. A few steps, or a few channels, go channel by channel, with a
// state in each lane.
bool scan_cpu(const Scan *scan, void *workspace, Error *err);
size_t scan_cpu_workspace(const Scan *scan);

// Strip i of all, with its room among the aligned ones of the workspace.
void scan_cpu_strip(const Scan *scan, size_t i, float *rooms);

// Vectors are read fastest where they do not straddle two lines of the cache.
enum { SCAN_ALIGNMENT = 64 };

static inline float *scan_align(void *workspace) {
    size_t past = (size_t)workspace % SCAN_ALIGNMENT;
    return (float *)((char *)workspace + (past ? SCAN_ALIGNMENT - past : 0));
}

// Fewer state updates than this are not worth waking a thread for.
enum { SCAN_LARGE = 1 << 14 };

static inline bool scan_is_large(const Scan *scan) {
    return scan->batch * scan->length * scan->d_inner * scan->d_state >
           SCAN_LARGE;
}

#endif
