// Chapter 4: the selective scan, and the table of backends that compute it.
#ifndef SCAN_H
#define SCAN_H

#include <stddef.h>

#include "error.h"
#include "silu.h"

// One selective scan (the paper's section 3.2 and algorithm 2), for every
// sequence of the batch and every channel d by itself:
//
//     h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t u_t       N states
//     y_t = C_t . h_t + D u_t
//     y_t = y_t SiLU(z_t)                                  where there is a z
//
// The state h comes in and goes out in its place, so that cutting a sequence
// anywhere changes nothing. y overlaps nothing else; what is const is never
// written. length and batch may be 0.
typedef struct {
    size_t batch, length, d_inner, d_state;
    const float *u;      // (batch, L, d_inner): the convolved input x
    const float *delta;  // (batch, L, d_inner): after softplus, no less than 0
    const float *A;      // (d_inner, N): negative
    const float *B;      // (batch, L, N)
    const float *C;      // (batch, L, N)
    const float *D;      // (d_inner), or NULL for no skip connection
    const float *z;      // (batch, L, d_inner), or NULL for no gate
    float *h;            // (batch, d_inner, N): state in, state out
    float *y;            // (batch, L, d_inner): the result
} Scan;

// One way to compute a scan. The names are "reference" (the formula, in
// float32), "double" (the same in double precision, rounded at the end), "cpu"
// (sequential, fused, threaded over channels), "parallel" (chunked in time),
// "auto" (one of the last two, by shape and machine) and "tree" (the
// work-efficient tree of chapter 4).
typedef struct {
    const char *name;
    const char *summary;
    // Can it run here? Otherwise false, and why_not says why and what to do.
    bool (*usable)(Error *why_not);
    // How many bytes of workspace a scan of this shape wants; reads no tensor.
    size_t (*workspace_bytes)(const Scan *scan);
    // Computes y and the new h. The workspace is aligned for any number, and
    // what it holds before does not matter. Fails only where its device does.
    bool (*run)(const Scan *scan, void *workspace, Error *err);
} ScanBackend;

// All backends that there are, whether or not they can run here.
extern const ScanBackend *const scan_backends[];
extern const size_t n_scan_backends;

// The backend of this name. NULL where there is none or it cannot run here;
// err then says what to ask for instead. Never another one in its place.
const ScanBackend *scan_backend(const char *name, Error *err);

// The last two lines of the formula, for the sum c = C_t . h_t of channel d at
// the row (b, t): the skip connection and the gate.
static inline float scan_output(const Scan *scan, size_t row, size_t d,
                                float c) {
    size_t i = row * scan->d_inner + d;
    float y = scan->D ? c + scan->D[d] * scan->u[i] : c;
    return scan->z ? y * silu(scan->z[i]) : y;
}

#endif
