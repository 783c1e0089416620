// Chapter 4: scans with made-up inputs, for whoever wants to time one.
#ifndef SCAN_TRIAL_H
#define SCAN_TRIAL_H

#include "measure.h"
#include "scan.h"

// One sequence for scans to be timed on, as a block would hand it over: with D
// and with a gate. Random and harmless: Delta between 0.001 and 0.1, A = -1, -2
// .. -N, all else between -1 and 1, so that the state stays as small however
// often it goes on.
typedef struct {
    Scan scan;       // its h and y are overwritten by each run
    float *numbers;  // all of its tensors
} ScanTrial;

// State updates of a scan: L D N for each sequence.
double scan_updates(const Scan *scan);

bool scan_trial_new(ScanTrial *trial, size_t length, size_t d_inner,
                    size_t d_state, Error *err);
void scan_trial_free(ScanTrial *trial);

// One backend's way through it.
typedef struct {
    const Scan *scan;
    const ScanBackend *backend;
    void *workspace;
    size_t threads;  // 0 for as many as there are
    size_t times;    // once, or as if the sequence were so many times as long
} ScanRun;

bool scan_run_new(ScanRun *run, const ScanTrial *trial,
                  const ScanBackend *backend, size_t threads, Error *err);
void scan_run_free(ScanRun *run);

// The work: a ScanRun scans its trial.
bool scan_run(void *run, Error *err);

// --- The exponentials alone --------------------------------------------------

// No scan can be faster than the exponentials in it. These are taken of numbers
// that stay in the nearest cache, by one thread, with nothing else to do.
// EXPONENTIAL_FLOPS additions and multiplications make one of them, clamps not
// counted.
enum { EXPONENTIALS_NEAR = 4096, EXPONENTIAL_FLOPS = 16 };
typedef struct {
    float x[EXPONENTIALS_NEAR];  // each becomes -2^x, again and again
    size_t passes;
} Exponentials;

// Numbers between -8 and 0, and passes enough for about `count` exponentials.
Exponentials exponentials_new(size_t count);

// The work of an Exponentials: power_of_two(), which is what the scan uses.
bool exponentials_run(void *exponentials, Error *err);

// How many of them one run computes.
double exponentials_count(const Exponentials *exponentials);

#endif
