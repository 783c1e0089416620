#include "scan_tree.h"

#include <math.h>

void scan_tree_up(ScanElement *nodes, size_t n, size_t reach) {
    for (size_t i = 2 * reach - 1; i < n; i += 2 * reach)
        nodes[i] = scan_join(nodes[i - reach], nodes[i]);
}

void scan_tree_down(ScanElement *nodes, size_t n, size_t reach) {
    for (size_t i = 2 * reach - 1; i < n; i += 2 * reach) {
        ScanElement left = nodes[i - reach];
        nodes[i - reach] = nodes[i];
        nodes[i] = scan_join(nodes[i], left);
    }
}

void scan_tree_exclusive(ScanElement *nodes, size_t n) {
    for (size_t reach = 1; reach < n; reach *= 2)
        scan_tree_up(nodes, n, reach);
    nodes[n - 1] = (ScanElement){.a = 1, .b = 0};
    for (size_t reach = n / 2; reach > 0; reach /= 2)
        scan_tree_down(nodes, n, reach);
}

// The least power of two that is no less than the length.
static size_t tree_size(size_t length) {
    size_t n = 1;
    while (n < length)
        n *= 2;
    return n;
}

size_t scan_tree_workspace(const Scan *scan) {
    return tree_size(scan->length) * sizeof(ScanElement) +
           scan->length * sizeof(float);
}

// Step t of state n of channel d as a map h -> a h + b.
static ScanElement step_element(const Scan *scan, size_t row, size_t d,
                                size_t n) {
    float delta = scan->delta[row * scan->d_inner + d];
    float u = scan->u[row * scan->d_inner + d];
    return (ScanElement){.a = expf(delta * scan->A[d * scan->d_state + n]),
                         .b = delta * scan->B[row * scan->d_state + n] * u};
}

// Scans state n of channel d of sequence b and adds C_t h_t to each c_t.
static void scan_one_state(const Scan *scan, size_t b, size_t d, size_t n,
                           ScanElement *nodes, float *c) {
    size_t size = tree_size(scan->length), first = b * scan->length;
    for (size_t t = 0; t < size; t++)
        nodes[t] = t < scan->length ? step_element(scan, first + t, d, n)
                                    : (ScanElement){.a = 1, .b = 0};
    scan_tree_exclusive(nodes, size);

    float *h = scan->h + (b * scan->d_inner + d) * scan->d_state + n;
    float h0 = *h;
    for (size_t t = 0; t < scan->length; t++) {
        // All steps before t, then step t, applied to the first state.
        ScanElement step = step_element(scan, first + t, d, n);
        ScanElement all = scan_join(nodes[t], step);
        *h = all.a * h0 + all.b;
        c[t] += scan->C[(first + t) * scan->d_state + n] * *h;
    }
}

bool scan_tree(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    ScanElement *nodes = workspace;                         // (tree_size)
    float *c = (float *)(nodes + tree_size(scan->length));  // (L): C_t . h_t
    for (size_t b = 0; b < scan->batch; b++)
        for (size_t d = 0; d < scan->d_inner; d++) {
            for (size_t t = 0; t < scan->length; t++)
                c[t] = 0;
            for (size_t n = 0; n < scan->d_state; n++)
                scan_one_state(scan, b, d, n, nodes, c);
            for (size_t t = 0; t < scan->length; t++) {
                size_t row = b * scan->length + t;
                scan->y[row * scan->d_inner + d] =
                    scan_output(scan, row, d, c[t]);
            }
        }
    return true;
}
