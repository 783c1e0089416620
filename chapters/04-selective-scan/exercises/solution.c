// Exercise 4.5, solved: the selective scan, transposed.
#include "exercise.h"

#include <math.h>

// One step back of channel d at the row (b, t): g (N) comes in as what S grows
// with h_t by way of later steps, and leaves as the same for h_{t-1}. Returns
// how much S grows with u_t.
static float step_back(const Scan *scan, size_t row, size_t d, float w,
                       float *g) {
    const float *A = scan->A + d * scan->d_state;
    const float *B = scan->B + row * scan->d_state;
    const float *C = scan->C + row * scan->d_state;
    float delta = scan->delta[row * scan->d_inner + d];

    float du = scan->D ? scan->D[d] * w : 0;
    for (size_t n = 0; n < scan->d_state; n++) {
        // y_t = C_t . h_t reads the state,
        g[n] += C[n] * w;
        // h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t u_t took in the input
        du += delta * B[n] * g[n];
        // and kept a part of the state before.
        g[n] *= expf(delta * A[n]);
    }
    return du;
}

void scan_transposed(const Scan *scan, const float *w, float *g, float *du) {
    for (size_t b = 0; b < scan->batch; b++)
        for (size_t t = scan->length; t-- > 0;)
            for (size_t d = 0; d < scan->d_inner; d++) {
                size_t row = b * scan->length + t;
                size_t i = row * scan->d_inner + d;
                float *state = g + (b * scan->d_inner + d) * scan->d_state;
                du[i] = step_back(scan, row, d, w[i], state);
            }
}
