#include "scan_trial.h"

#include <math.h>
#include <string.h>

#include "exponential.h"
#include "memory.h"

// n numbers, uniform from low to high, from *next, which goes on behind them.
static const float *take_uniform(float **next, size_t n, double low,
                                 double high) {
    float *numbers = *next;
    fill_uniform(numbers, n, low, high);
    *next += n;
    return numbers;
}

// A_{d,n} = -(n + 1), as a new model has it.
static const float *take_A(float **next, size_t D, size_t N) {
    float *A = *next;
    for (size_t i = 0; i < D * N; i++)
        A[i] = -(float)(i % N + 1);
    *next += D * N;
    return A;
}

double scan_updates(const Scan *scan) {
    return (double)scan->batch * (double)scan->length * (double)scan->d_inner *
           (double)scan->d_state;
}

bool scan_trial_new(ScanTrial *trial, size_t length, size_t d_inner,
                    size_t d_state, Error *err) {
    size_t L = length, D = d_inner, N = d_state;
    // u, delta, z and y; B and C; A and h; D.
    size_t count = 4 * L * D + 2 * L * N + 2 * D * N + D;
    float *next = allocate(count, sizeof *next, "a scan's tensors", err);
    *trial = (ScanTrial){.numbers = next};
    if (!next)
        return false;

    Scan *scan = &trial->scan;
    *scan = (Scan){.batch = 1, .length = L, .d_inner = D, .d_state = N};
    scan->u = take_uniform(&next, L * D, -1, 1);
    scan->delta = take_uniform(&next, L * D, 0.001, 0.1);
    scan->z = take_uniform(&next, L * D, -1, 1);
    scan->B = take_uniform(&next, L * N, -1, 1);
    scan->C = take_uniform(&next, L * N, -1, 1);
    scan->D = take_uniform(&next, D, -1, 1);
    scan->A = take_A(&next, D, N);
    scan->h = next;
    scan->y = next + D * N;
    return true;
}

void scan_trial_free(ScanTrial *trial) {
    release(trial->numbers);
    *trial = (ScanTrial){0};
}

bool scan_run_new(ScanRun *run, const ScanTrial *trial,
                  const ScanBackend *backend, size_t threads, Error *err) {
    *run = (ScanRun){.scan = &trial->scan,
                     .backend = backend,
                     .threads = threads,
                     .times = 1};
    run->workspace = allocate(backend->workspace_bytes(run->scan), 1,
                              "a scan's workspace", err);
    return run->workspace != NULL;
}

void scan_run_free(ScanRun *run) {
    release(run->workspace);
    run->workspace = NULL;
}

bool scan_run(void *context, Error *err) {
    const ScanRun *run = context;
    size_t before = threads_now();
    threads_use(run->threads ? run->threads : before);
    bool ok = true;
    for (size_t i = 0; ok && i < run->times; i++)
        ok = run->backend->run(run->scan, run->workspace, err);
    threads_use(before);
    return ok;
}

Exponentials exponentials_new(size_t count) {
    Exponentials made = {.passes = count / EXPONENTIALS_NEAR + 1};
    for (size_t i = 0; i < EXPONENTIALS_NEAR; i++)
        made.x[i] = -8 * (float)i / EXPONENTIALS_NEAR;
    return made;
}

bool exponentials_run(void *context, Error *err) {
    (void)err;
    Exponentials *exponentials = context;
    float *x = exponentials->x;
    // In place, so that no pass can be left out: each wants the one before it.
    // And in blocks, or a compiler takes each number through two passes at
    // once, where the second waits for the first.
    enum { BLOCK = EXPONENTIALS_NEAR / 4 };
    for (size_t pass = 0; pass < exponentials->passes; pass++)
        for (size_t block = 0; block < EXPONENTIALS_NEAR; block += BLOCK)
            for (size_t i = block; i < block + BLOCK; i++)
                x[i] = -power_of_two(x[i]);
    return true;
}

double exponentials_count(const Exponentials *exponentials) {
    return (double)exponentials->passes * EXPONENTIALS_NEAR;
}
