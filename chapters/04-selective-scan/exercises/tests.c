// Exercise 4.5: the transposed scan against the scan itself. The scan is linear
// in u and h, so what S grows with an input is S of a scan of that input alone.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "compare.h"
#include "exercise.h"
#include "scan_reference.h"

TestSuite(exercise4);

// A scan's shape and fixed tensors, and the weights of S.
typedef struct {
    Scan scan;
    float *delta, *A, *B, *C, *D, *w, *g;
} Case;

static size_t outputs_of(const Scan *scan) {
    return scan->batch * scan->length * scan->d_inner;
}

static size_t states_of(const Scan *scan) {
    return scan->batch * scan->d_inner * scan->d_state;
}

static Case new_case(uint64_t seed, size_t batch, size_t length, size_t d_inner,
                     size_t d_state) {
    Random random = random_from_seed(seed);
    Case c = {.scan = {.batch = batch,
                       .length = length,
                       .d_inner = d_inner,
                       .d_state = d_state}};
    size_t rows = batch * length;
    c.delta = random_floats(&random, rows * d_inner, 0.01, 1);
    c.A = random_floats(&random, d_inner * d_state, -2, -0.1);
    c.B = random_floats(&random, rows * d_state, -1, 1);
    c.C = random_floats(&random, rows * d_state, -1, 1);
    c.D = random_floats(&random, d_inner, -1, 1);
    c.w = random_floats(&random, rows * d_inner, -1, 1);
    c.g = random_floats(&random, states_of(&c.scan), -1, 1);
    c.scan.delta = c.delta, c.scan.A = c.A;
    c.scan.B = c.B, c.scan.C = c.C, c.scan.D = c.D;
    return c;
}

static void free_case(Case *c) {
    free(c->delta), free(c->A), free(c->B), free(c->C), free(c->D);
    free(c->w), free(c->g);
}

// What the function under test made of a case; the case's g stays.
typedef struct {
    float *du, *g;
} Result;

static Result run(const Case *c) {
    Result result = {.du = new_floats(outputs_of(&c->scan)),
                     .g = copy_floats(c->g, states_of(&c->scan))};
    scan_transposed(&c->scan, c->w, result.g, result.du);
    return result;
}

static void free_result(Result *result) {
    free(result->du), free(result->g);
}

// S, and the sum of the sizes of its terms, for u (batch, L, d_inner) and h,
// which becomes the last state.
static double weighted_sum(const Case *c, const float *u, double *h) {
    Scan scan = c->scan;
    scan.u = u;
    double *y = new_doubles(outputs_of(&scan)), S = 0;
    scan_in_double(&scan, h, y);
    for (size_t i = 0; i < outputs_of(&scan); i++)
        S += c->w[i] * y[i];
    for (size_t i = 0; i < states_of(&scan); i++)
        S += c->g[i] * h[i];
    free(y);
    return S;
}

// All numbers here are about 1, and a sum of some dozens of them, each rounded
// to seven digits, keeps five.
static const double bound = 1e-5;

// Every u by itself, and then every number of the first state.
static void check_case(Case *c, const char *what) {
    size_t outputs = outputs_of(&c->scan), states = states_of(&c->scan);
    Result result = run(c);
    float *u = new_floats(outputs);
    for (size_t i = 0; i < outputs; i++)
        u[i] = 0;
    for (size_t i = 0; i < outputs; i++) {
        double *h = new_doubles(states);
        u[i] = 1;
        double wanted = weighted_sum(c, u, h);
        compare_number(label("%s: du", what).text, i, result.du[i], wanted,
                       bound);
        u[i] = 0;
        free(h);
    }
    for (size_t i = 0; i < states; i++) {
        double *h = new_doubles(states);
        h[i] = 1;
        double wanted = weighted_sum(c, u, h);
        compare_number(label("%s: g", what).text, i, result.g[i], wanted,
                       bound);
        free(h);
    }
    free(u), free_result(&result), free_case(c);
}

// The weights of the last state are zero: only outputs count.
static void no_last_state(Case *c) {
    for (size_t i = 0; i < states_of(&c->scan); i++)
        c->g[i] = 0;
}

// B = 0 keeps inputs out of the state.
Test(exercise4, the_skip_connection_alone) {
    Case c = new_case(1, 2, 6, 3, 2);
    for (size_t i = 0; i < 2 * 6 * 2; i++)
        c.B[i] = 0;
    Result result = run(&c);
    for (size_t i = 0; i < outputs_of(&c.scan); i++)
        compare_number("du", i, result.du[i], c.D[i % 3] * c.w[i], 1e-7);
    free_result(&result), free_case(&c);
}

// Steps that halve the state (Delta = ln 2, A = -1), in which B = 1/ln 2 lets u
// in as it is: S = y_3 with C = 1 has u_3 once, u_2 half, u_1 a quarter and h_0
// an eighth of it.
Test(exercise4, by_hand) {
    const float A = -1, w[] = {0, 0, 1};
    float delta[3], B[3], C[] = {1, 1, 1}, g = 0, du[3];
    for (size_t t = 0; t < 3; t++)
        delta[t] = logf(2), B[t] = 1 / logf(2);
    Scan scan = {.batch = 1,
                 .length = 3,
                 .d_inner = 1,
                 .d_state = 1,
                 .delta = delta,
                 .A = &A,
                 .B = B,
                 .C = C};
    scan_transposed(&scan, w, &g, du);
    compare("du", du, (float[]){0.25f, 0.5f, 1}, 3,
            (Tolerance){.relative = 1e-6});
    compare_number("g", 0, g, 0.125, 1e-6);
}

Test(exercise4, one_step) {
    Case c = new_case(2, 1, 1, 1, 1);
    check_case(&c, "one step");
}

Test(exercise4, weights_of_the_outputs) {
    Case c = new_case(3, 1, 7, 1, 3);
    no_last_state(&c);
    check_case(&c, "outputs");
}

Test(exercise4, weights_of_the_last_state) {
    Case c = new_case(4, 1, 7, 1, 3);
    for (size_t i = 0; i < 7; i++)
        c.w[i] = 0;
    check_case(&c, "last state");
}

Test(exercise4, any_shape) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        Random random = random_from_seed(~seed);
        size_t batch = random_count(&random, 0, 3);
        size_t length = random_count(&random, 0, 12);
        size_t d_inner = random_count(&random, 1, 5);
        Case c =
            new_case(seed, batch, length, d_inner, random_count(&random, 1, 4));
        if (seed % 3 == 0)
            c.scan.D = NULL;
        check_case(&c, label("seed %d", (int)seed).text);
    }
}

// No step: what counts for the last state counts for the first, bit by bit.
Test(exercise4, no_step) {
    Case c = new_case(5, 2, 0, 3, 4);
    Result result = run(&c);
    compare_bits("g", result.g, c.g, states_of(&c.scan));
    free_result(&result), free_case(&c);
}

// Cut anywhere, the later part first: g carries on into the earlier part.
Test(exercise4, cuts) {
    enum { L = 9, D = 2, N = 3 };
    Case c = new_case(6, 1, L, D, N);
    Result whole = run(&c);
    for (size_t cut = 0; cut <= L; cut++) {
        float du[L * D];
        float *g = copy_floats(c.g, D * N);
        Scan tail = c.scan, head = c.scan;
        head.length = cut, tail.length = L - cut;
        tail.delta += cut * D, tail.B += cut * N, tail.C += cut * N;
        scan_transposed(&tail, c.w + cut * D, g, du + cut * D);
        scan_transposed(&head, c.w, g, du);
        const Tolerance close = {.absolute = 1e-6};
        compare(label("cut at %zu: du", cut).text, du, whole.du, L * D, close);
        compare(label("cut at %zu: g", cut).text, g, whole.g, D * N, close);
        free(g);
    }
    free_result(&whole), free_case(&c);
}
