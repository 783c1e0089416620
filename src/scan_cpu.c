#include "scan_cpu.h"

#include <math.h>

void scan_cpu_span(const Scan *scan, ScanSpan span, float *h) {
    const size_t N = scan->d_state;
    for (size_t t = span.t_begin; t < span.t_end; t++) {
        size_t row = span.b * scan->length + t;
        const float *B = scan->B + row * N, *C = scan->C + row * N;
        float *state = h;
        for (size_t d = span.d_begin; d < span.d_end; d++, state += N) {
            const float *A = scan->A + d * N;
            size_t i = row * scan->d_inner + d;
            float delta = scan->delta[i];
            float delta_u = delta * scan->u[i];

            // h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t u_t,  c = C_t . h_t
            float c = 0;
            for (size_t n = 0; n < N; n++) {
                state[n] = expf(delta * A[n]) * state[n] + delta_u * B[n];
                c += C[n] * state[n];
            }
            scan->y[i] = scan_output(scan, row, d, c);
        }
    }
}

size_t scan_strips(const Scan *scan) {
    return (scan->d_inner + SCAN_STRIP - 1) / SCAN_STRIP;
}

ScanSpan scan_strip(const Scan *scan, size_t b, size_t s) {
    size_t begin = s * SCAN_STRIP, end = begin + SCAN_STRIP;
    return (ScanSpan){.b = b,
                      .t_begin = 0,
                      .t_end = scan->length,
                      .d_begin = begin,
                      .d_end = end < scan->d_inner ? end : scan->d_inner};
}

bool scan_cpu(const Scan *scan, void *workspace, Error *err) {
    (void)workspace, (void)err;
    size_t strips = scan_strips(scan);
#pragma omp parallel for schedule(static) if (scan_is_large(scan))
    for (size_t task = 0; task < scan->batch * strips; task++) {
        ScanSpan span = scan_strip(scan, task / strips, task % strips);
        size_t channel = span.b * scan->d_inner + span.d_begin;
        scan_cpu_span(scan, span, scan->h + channel * scan->d_state);
    }
    return true;
}
