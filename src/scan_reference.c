#include "scan_reference.h"

#include <math.h>

// One step of channel d at row (b, t): advances h (N), returns the output.
static float step(const Scan *scan, size_t row, size_t d, float *h) {
    const float *A = scan->A + d * scan->d_state;
    const float *B = scan->B + row * scan->d_state;
    const float *C = scan->C + row * scan->d_state;
    float delta = scan->delta[row * scan->d_inner + d];
    float u = scan->u[row * scan->d_inner + d];

    // h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t u_t,  c = C_t . h_t
    float c = 0;
    for (size_t n = 0; n < scan->d_state; n++) {
        h[n] = expf(delta * A[n]) * h[n] + delta * B[n] * u;
        c += C[n] * h[n];
    }
    return scan_output(scan, row, d, c);
}

bool scan_reference(const Scan *scan, void *workspace, Error *err) {
    (void)workspace, (void)err;
    for (size_t b = 0; b < scan->batch; b++)
        for (size_t t = 0; t < scan->length; t++)
            for (size_t d = 0; d < scan->d_inner; d++) {
                size_t row = b * scan->length + t;
                float *h = scan->h + (b * scan->d_inner + d) * scan->d_state;
                scan->y[row * scan->d_inner + d] = step(scan, row, d, h);
            }
    return true;
}

// step() with twice the digits.
static double step_in_double(const Scan *scan, size_t row, size_t d,
                             double *h) {
    const float *A = scan->A + d * scan->d_state;
    const float *B = scan->B + row * scan->d_state;
    const float *C = scan->C + row * scan->d_state;
    double delta = scan->delta[row * scan->d_inner + d];
    double u = scan->u[row * scan->d_inner + d];

    double c = 0;
    for (size_t n = 0; n < scan->d_state; n++) {
        h[n] = exp(delta * A[n]) * h[n] + delta * B[n] * u;
        c += C[n] * h[n];
    }
    double y = scan->D ? c + scan->D[d] * u : c;
    double z = scan->z ? scan->z[row * scan->d_inner + d] : 0;
    return scan->z ? y * z / (1 + exp(-z)) : y;
}

void scan_in_double(const Scan *scan, double *h, double *y) {
    for (size_t b = 0; b < scan->batch; b++)
        for (size_t t = 0; t < scan->length; t++)
            for (size_t d = 0; d < scan->d_inner; d++) {
                size_t row = b * scan->length + t;
                double *state = h + (b * scan->d_inner + d) * scan->d_state;
                y[row * scan->d_inner + d] =
                    step_in_double(scan, row, d, state);
            }
}

size_t scan_double_workspace(const Scan *scan) {
    return scan->d_state * sizeof(double);
}

bool scan_double(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    double *state = workspace;  // (N): of one channel at a time
    for (size_t b = 0; b < scan->batch; b++)
        for (size_t d = 0; d < scan->d_inner; d++) {
            float *h = scan->h + (b * scan->d_inner + d) * scan->d_state;
            for (size_t n = 0; n < scan->d_state; n++)
                state[n] = h[n];
            for (size_t t = 0; t < scan->length; t++) {
                size_t row = b * scan->length + t;
                scan->y[row * scan->d_inner + d] =
                    (float)step_in_double(scan, row, d, state);
            }
            for (size_t n = 0; n < scan->d_state; n++)
                h[n] = (float)state[n];
        }
    return true;
}
