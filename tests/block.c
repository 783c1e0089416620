// Chapter 5: the block against the official code, and every intermediate result
// against its formula in double precision.
#include "block.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "discretization.h"
#include "failing_memory.h"
#include "golden.h"

TestSuite(block, .fini = nothing_leaks);

// Everything in these cases is about 1 in size, and passes a dozen sums of a
// few dozen terms.
static const Tolerance bound = {.absolute = 1e-5, .relative = 1e-5};

static void each_backend(void (*test)(const ScanBackend *backend)) {
    Error err;
    for (size_t i = 0; i < n_scan_backends; i++)
        if (scan_backends[i]->usable(&err))
            test(scan_backends[i]);
}

// --- Cases -------------------------------------------------------------------

enum { MOST_WEIGHTS = 12 };

// A block with its weights, and what it starts from.
typedef struct {
    BlockShape shape;
    BlockWeights weights;
    float *owned[MOST_WEIGHTS];  // the weights' memory
    size_t n_owned;
    size_t batch, length;
    float *r;          // (batch, L, d_model)
    BlockState state;  // before
} Case;

static size_t conv_size(const Case *c) {
    return c->batch * (c->shape.d_conv - 1) * c->shape.d_inner;
}

static size_t ssm_size(const Case *c) {
    return c->batch * c->shape.d_inner * c->shape.d_state;
}

static size_t stream_size(const Case *c) {
    return c->batch * c->length * c->shape.d_model;
}

// count numbers as the case's own, uniform between the two.
static float *weight(Case *c, Random *random, size_t count, double low,
                     double high) {
    return c->owned[c->n_owned++] = random_floats(random, count, low, high);
}

// A matrix (out, in) of such numbers.
static Matrix matrix(Case *c, Random *random, size_t out, size_t in,
                     double limit) {
    return matrix_f32(weight(c, random, out * in, -limit, limit), out, in);
}

// Weights as large as a fresh model's, but none of them zero or one.
static void make_weights(Case *c, Random *random, bool biased) {
    const BlockShape *s = &c->shape;
    size_t d_model = s->d_model, d_inner = s->d_inner, R = s->dt_rank;
    double in = 1 / sqrt((double)d_model), inner = 1 / sqrt((double)d_inner);
    BlockWeights *w = &c->weights;
    w->norm_weight = weight(c, random, d_model, 0.5, 1.5);
    w->in_proj_weight = matrix(c, random, 2 * d_inner, d_model, in);
    w->conv1d_weight = weight(c, random, d_inner * s->d_conv, -0.5, 0.5);
    w->x_proj_weight = matrix(c, random, R + 2 * s->d_state, d_inner, inner);
    w->dt_proj_weight = matrix(c, random, d_inner, R, 1);
    w->dt_proj_bias = weight(c, random, d_inner, -6, 0);
    w->A = weight(c, random, d_inner * s->d_state, -16, -0.1);
    w->D = weight(c, random, d_inner, 0.5, 1.5);
    w->out_proj_weight = matrix(c, random, d_model, d_inner, inner);
    if (!biased)
        return;
    w->in_proj_bias = weight(c, random, 2 * d_inner, -1, 1);
    w->conv1d_bias = weight(c, random, d_inner, -0.5, 0.5);
    w->out_proj_bias = weight(c, random, d_model, -1, 1);
}

static Case new_case(uint64_t seed, BlockShape shape, size_t batch,
                     size_t length) {
    Random random = random_from_seed(seed);
    Case c = {.shape = shape, .batch = batch, .length = length};
    make_weights(&c, &random, seed % 2);
    c.r = random_floats(&random, stream_size(&c), -1, 1);
    c.state.conv_state = random_floats(&random, conv_size(&c), -1, 1);
    c.state.ssm_state = random_floats(&random, ssm_size(&c), -1, 1);
    return c;
}

static Case random_case(uint64_t seed) {
    Random random = random_from_seed(~seed);
    BlockShape shape = {.d_model = random_count(&random, 1, 20),
                        .d_inner = random_count(&random, 1, 40),
                        .d_state = random_count(&random, 1, 17),
                        .d_conv = random_count(&random, 1, 6),
                        .dt_rank = random_count(&random, 1, 4),
                        .norm_eps = 1e-5f};
    size_t batch = random_count(&random, 0, 3);
    return new_case(seed, shape, batch, random_count(&random, 0, 20));
}

static const BlockShape small = {.d_model = 7,
                                 .d_inner = 18,
                                 .d_state = 5,
                                 .d_conv = 4,
                                 .dt_rank = 2,
                                 .norm_eps = 1e-5f};

static void free_case(Case *c) {
    for (size_t i = 0; i < c->n_owned; i++)
        free(c->owned[i]);
    free(c->r), free(c->state.conv_state), free(c->state.ssm_state);
}

// --- Running -----------------------------------------------------------------

// What the block made of a case, with the intermediate results in a workspace.
typedef struct {
    float *r;
    BlockState state;
    BlockActivations act;
    void *workspace;
    size_t bytes;
} Result;

static Result run(const ScanBackend *backend, const Case *c) {
    Result result = {
        .r = copy_floats(c->r, stream_size(c)),
        .state = {.conv_state = copy_floats(c->state.conv_state, conv_size(c)),
                  .ssm_state = copy_floats(c->state.ssm_state, ssm_size(c))},
        .bytes =
            block_workspace_bytes(&c->shape, c->batch, c->length, backend)};
    result.workspace = new_workspace(result.bytes);
    result.act =
        block_activations(&c->shape, c->batch, c->length, result.workspace);
    Error err;
    cr_assert(block_forward(&c->shape, &c->weights, result.r, result.state,
                            c->batch, c->length, backend, &result.act, &err),
              "%s: %s", backend->name, err.text);
    return result;
}

static void free_result(Result *result) {
    check_workspace("block", result->workspace, result->bytes);
    free(result->r);
    free(result->state.conv_state), free(result->state.ssm_state);
}

// --- The official code -------------------------------------------------------

// A tensor of the file, as the case's own.
static const float *take(Case *c, Golden *golden, const char *name) {
    const Tensor *tensor = safetensors_find(&golden->file, name);
    cr_assert(tensor, "%s: wanted %s", golden->path, name);
    float *copy = copy_floats(golden_floats(golden, name), tensor->count);
    return c->owned[c->n_owned++] = copy;
}

static Matrix take_matrix(Case *c, Golden *golden, const char *name) {
    return matrix_f32(take(c, golden, name), golden_size(golden, name, 0),
                      golden_size(golden, name, 1));
}

static Case golden_case(Golden *golden) {
    size_t x_rows = golden_size(golden, "mixer.x_proj.weight", 0);
    Case c = {.batch = golden_size(golden, "x", 0),
              .length = golden_size(golden, "x", 1)};
    c.shape = (BlockShape){
        .d_model = golden_size(golden, "x", 2),
        .d_inner = golden_size(golden, "mixer.A_log", 0),
        .d_state = golden_size(golden, "mixer.A_log", 1),
        .d_conv = golden_size(golden, "mixer.conv1d.weight", 2),
        .dt_rank = x_rows - 2 * golden_size(golden, "mixer.A_log", 1),
        .norm_eps = 1e-5f};
    BlockWeights *w = &c.weights;
    w->norm_weight = take(&c, golden, "norm.weight");
    w->in_proj_weight = take_matrix(&c, golden, "mixer.in_proj.weight");
    w->conv1d_weight = take(&c, golden, "mixer.conv1d.weight");
    w->conv1d_bias = take(&c, golden, "mixer.conv1d.bias");
    w->x_proj_weight = take_matrix(&c, golden, "mixer.x_proj.weight");
    w->dt_proj_weight = take_matrix(&c, golden, "mixer.dt_proj.weight");
    w->dt_proj_bias = take(&c, golden, "mixer.dt_proj.bias");
    w->D = take(&c, golden, "mixer.D");
    w->out_proj_weight = take_matrix(&c, golden, "mixer.out_proj.weight");
    w->A = take(&c, golden, "mixer.A_log");
    A_from_A_log(c.owned[c.n_owned - 1], w->A, ssm_size(&c) / c.batch);

    c.r = copy_floats(golden_floats(golden, "x"), stream_size(&c));
    Random none = random_from_seed(0);
    c.state.conv_state = random_floats(&none, conv_size(&c), 0, 0);
    c.state.ssm_state = random_floats(&none, ssm_size(&c), 0, 0);
    return c;
}

// The official state keeps K inputs (batch, d_inner, K); the oldest is not
// needed any more, and ours are (batch, K-1, d_inner).
static void check_conv_state(const char *name, const Case *c, const float *ours,
                             const float *official) {
    size_t K = c->shape.d_conv, d_inner = c->shape.d_inner;
    for (size_t i = 0; i < conv_size(c); i++) {
        size_t d = i % d_inner, j = i / d_inner % (K - 1);
        size_t b = i / d_inner / (K - 1);
        float wanted = official[(b * d_inner + d) * K + j + 1];
        compare(label("%s: conv state (%zu, %zu, %zu)", name, b, j, d).text,
                &ours[i], &wanted, 1, bound);
    }
}

static void check_golden(const ScanBackend *backend) {
    static const char *const names[] = {"block_odd", "block_short_prompt",
                                        "block_small"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Golden golden;
        golden_open(&golden, names[i]);
        Case c = golden_case(&golden);
        Result result = run(backend, &c);
        Label name = label("%s, %s", names[i], backend->name);
        compare(name.text, result.r, golden_floats(&golden, "y"),
                stream_size(&c), bound);
        compare(label("%s: h", name.text).text, result.state.ssm_state,
                golden_floats(&golden, "ssm_state"), ssm_size(&c), bound);
        check_conv_state(name.text, &c, result.state.conv_state,
                         golden_floats(&golden, "conv_state_official"));
        free_result(&result), free_case(&c);
        golden_close(&golden);
    }
}

Test(block, golden) {
    each_backend(check_golden);
}

// --- The formulas in double precision ----------------------------------------

// Everything the block computes, under the same names.
typedef struct {
    double *u, *x_raw, *x, *z, *dt, *B, *C, *delta, *y, *out, *r;
    double *conv_state, *ssm_state;
} Truth;

static double silu_in_double(double x) {
    return x / (1 + exp(-x));
}

// y = x W^T + bias in double precision.
static double *project(const double *x, const float *W, const float *bias,
                       size_t rows, size_t in, size_t out) {
    double *y = new_doubles(rows * out);
    for (size_t i = 0; i < rows * out; i++) {
        y[i] = bias ? bias[i % out] : 0;
        for (size_t k = 0; k < in; k++)
            y[i] += x[i / out * in + k] * (double)W[i % out * in + k];
    }
    return y;
}

// Step 0: u = w r / sqrt(mean(r^2) + eps).
static double *normalise(const Case *c) {
    size_t d_model = c->shape.d_model;
    double *u = new_doubles(stream_size(c));
    for (size_t i = 0; i < stream_size(c); i++) {
        const float *row = c->r + i / d_model * d_model;
        double sum = 0;
        for (size_t k = 0; k < d_model; k++)
            sum += (double)row[k] * row[k];
        u[i] = c->weights.norm_weight[i % d_model] * (double)c->r[i] /
               sqrt(sum / (double)d_model + (double)c->shape.norm_eps);
    }
    return u;
}

// The input of channel d of sequence b at time t, before 0 from the state.
static double raw_input(const Case *c, const double *x_raw, size_t b, long t,
                        size_t d) {
    size_t d_inner = c->shape.d_inner, past = c->shape.d_conv - 1;
    if (t >= 0)
        return x_raw[(b * c->length + (size_t)t) * d_inner + d];
    size_t row = b * past + (size_t)(t + (long)past);
    return c->state.conv_state[row * d_inner + d];
}

// Step 2: x = SiLU(conv1d(x)), and the inputs to remember.
static void convolve(const Case *c, Truth *truth) {
    size_t d_inner = c->shape.d_inner, K = c->shape.d_conv;
    truth->x = new_doubles(c->batch * c->length * d_inner);
    truth->conv_state = new_doubles(conv_size(c));
    for (size_t i = 0; i < c->batch * c->length * d_inner; i++) {
        size_t d = i % d_inner, t = i / d_inner % c->length;
        size_t b = i / d_inner / c->length;
        double x = c->weights.conv1d_bias ? c->weights.conv1d_bias[d] : 0;
        for (size_t k = 0; k < K; k++)
            x +=
                c->weights.conv1d_weight[d * K + k] *
                raw_input(c, truth->x_raw, b, (long)(t + k) - (long)(K - 1), d);
        truth->x[i] = silu_in_double(x);
    }
    for (size_t i = 0; i < conv_size(c); i++) {
        size_t d = i % d_inner, j = i / d_inner % (K - 1);
        size_t b = i / d_inner / (K - 1);
        truth->conv_state[i] = raw_input(
            c, truth->x_raw, b, (long)(c->length + j) - (long)(K - 1), d);
    }
}

// Steps 5 and 6: h = exp(Delta A) h + Delta B x, y = (C . h + D x) SiLU(z).
static void scan(const Case *c, Truth *truth) {
    size_t d_inner = c->shape.d_inner, N = c->shape.d_state;
    truth->y = new_doubles(c->batch * c->length * d_inner);
    truth->ssm_state = new_doubles(ssm_size(c));
    for (size_t i = 0; i < ssm_size(c); i++)
        truth->ssm_state[i] = c->state.ssm_state[i];
    for (size_t i = 0; i < c->batch * c->length * d_inner; i++) {
        size_t row = i / d_inner, d = i % d_inner, b = row / c->length;
        double *h = truth->ssm_state + (b * d_inner + d) * N;
        double delta = truth->delta[i], x = truth->x[i];
        double y = c->weights.D[d] * x;
        for (size_t n = 0; n < N; n++) {
            double A = c->weights.A[d * N + n];
            h[n] = exp(delta * A) * h[n] + delta * truth->B[row * N + n] * x;
            y += truth->C[row * N + n] * h[n];
        }
        truth->y[i] = y * silu_in_double(truth->z[i]);
    }
}

static Truth truth_of(const Case *c) {
    const BlockWeights *w = &c->weights;
    size_t d_model = c->shape.d_model, d_inner = c->shape.d_inner;
    size_t N = c->shape.d_state, R = c->shape.dt_rank;
    size_t rows = c->batch * c->length;
    Truth truth = {.u = normalise(c)};

    // Step 1: x and z are the two halves of in_proj(u).
    const float *in_proj = w->in_proj_weight.numbers, *bias = w->in_proj_bias;
    truth.x_raw = project(truth.u, in_proj, bias, rows, d_model, d_inner);
    truth.z = project(truth.u, in_proj + d_inner * d_model,
                      bias ? bias + d_inner : NULL, rows, d_model, d_inner);
    convolve(c, &truth);

    // Steps 3 and 4: x_proj gives dt, B and C; Delta = softplus(dt_proj(dt)).
    const float *W = w->x_proj_weight.numbers;
    truth.dt = project(truth.x, W, NULL, rows, d_inner, R);
    truth.B = project(truth.x, W + R * d_inner, NULL, rows, d_inner, N);
    truth.C = project(truth.x, W + (R + N) * d_inner, NULL, rows, d_inner, N);
    truth.delta = project(truth.dt, w->dt_proj_weight.numbers, w->dt_proj_bias,
                          rows, R, d_inner);
    for (size_t i = 0; i < rows * d_inner; i++)
        truth.delta[i] = log1p(exp(truth.delta[i]));
    scan(c, &truth);

    // Step 7: r = r + out_proj(y).
    truth.out = project(truth.y, w->out_proj_weight.numbers, w->out_proj_bias,
                        rows, d_inner, d_model);
    truth.r = new_doubles(rows * d_model);
    for (size_t i = 0; i < rows * d_model; i++)
        truth.r[i] = c->r[i] + truth.out[i];
    return truth;
}

static void free_truth(Truth *t) {
    free(t->u), free(t->x_raw), free(t->x), free(t->z), free(t->dt);
    free(t->B), free(t->C), free(t->delta), free(t->y), free(t->out);
    free(t->r), free(t->conv_state), free(t->ssm_state);
}

// Every intermediate result, in the order of the computation.
static void check_truth(const char *name, const Case *c, const Result *result,
                        const Truth *truth) {
    const BlockActivations *act = &result->act;
    const BlockShape *s = &c->shape;
    const struct {
        const char *name;
        const float *got;
        const double *wanted;
        size_t count;
    } steps[] = {
        {"u", act->u, truth->u, s->d_model},
        {"x_raw", act->x_raw, truth->x_raw, s->d_inner},
        {"z", act->z, truth->z, s->d_inner},
        {"x", act->x, truth->x, s->d_inner},
        {"dt", act->dt, truth->dt, s->dt_rank},
        {"B", act->B, truth->B, s->d_state},
        {"C", act->C, truth->C, s->d_state},
        {"delta", act->delta, truth->delta, s->d_inner},
        {"y", act->y, truth->y, s->d_inner},
        {"out", act->out, truth->out, s->d_model},
        {"r", result->r, truth->r, s->d_model},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        compare_to_double(label("%s: %s", name, steps[i].name).text,
                          steps[i].got, steps[i].wanted,
                          c->batch * c->length * steps[i].count, bound);
    compare_to_double(label("%s: conv_state", name).text,
                      result->state.conv_state, truth->conv_state, conv_size(c),
                      bound);
    compare_to_double(label("%s: ssm_state", name).text,
                      result->state.ssm_state, truth->ssm_state, ssm_size(c),
                      bound);
}

Test(block, every_step_is_its_formula) {
    Error err;
    for (uint64_t seed = 0; seed < 100; seed++) {
        Case c = random_case(seed);
        Truth truth = truth_of(&c);
        for (size_t i = 0; i < n_scan_backends; i++) {
            if (!scan_backends[i]->usable(&err))
                continue;
            Result result = run(scan_backends[i], &c);
            Label name = label("seed %llu, %s", (unsigned long long)seed,
                               scan_backends[i]->name);
            check_truth(name.text, &c, &result, &truth);
            free_result(&result);
        }
        free_truth(&truth), free_case(&c);
    }
}

// --- Cuts --------------------------------------------------------------------

// Tokens [begin, end) of each sequence of a (batch, L, d_model) tensor.
static float *cut_rows(const Case *c, const float *tensor, size_t begin,
                       size_t end) {
    size_t count = (end - begin) * c->shape.d_model;
    float *part = new_floats(c->batch * count);
    for (size_t b = 0; b < c->batch && count > 0; b++)
        memcpy(part + b * count,
               tensor + (b * c->length + begin) * c->shape.d_model,
               count * sizeof *part);
    return part;
}

// Runs the case in pieces with the given ends.
static void check_cuts(const ScanBackend *backend, const Case *c,
                       const Result *whole, const size_t *ends, size_t pieces) {
    Case part = *c;
    size_t begin = 0;
    part.state.conv_state = copy_floats(c->state.conv_state, conv_size(c));
    part.state.ssm_state = copy_floats(c->state.ssm_state, ssm_size(c));
    for (size_t i = 0; i < pieces; begin = ends[i++]) {
        part.length = ends[i] - begin;
        part.r = cut_rows(c, c->r, begin, ends[i]);
        Result result = run(backend, &part);
        float *wanted = cut_rows(c, whole->r, begin, ends[i]);
        compare(label("%s from %zu to %zu", backend->name, begin, ends[i]).text,
                result.r, wanted, stream_size(&part), bound);
        memcpy(part.state.conv_state, result.state.conv_state,
               conv_size(c) * sizeof(float));
        memcpy(part.state.ssm_state, result.state.ssm_state,
               ssm_size(c) * sizeof(float));
        free(wanted), free(part.r), free_result(&result);
    }
    compare("conv_state", part.state.conv_state, whole->state.conv_state,
            conv_size(c), bound);
    compare("ssm_state", part.state.ssm_state, whole->state.ssm_state,
            ssm_size(c), bound);
    free(part.state.conv_state), free(part.state.ssm_state);
}

// One cut anywhere, two cuts anywhere, single steps.
static void check_every_cut(const ScanBackend *backend) {
    enum { L = 11 };
    Case c = new_case(3, small, 2, L);
    Result whole = run(backend, &c);
    size_t steps[L];
    for (size_t one = 0; one <= L; one++)
        for (size_t two = one; two <= L; two++)
            check_cuts(backend, &c, &whole, (size_t[]){one, two, L}, 3);
    for (size_t t = 0; t < L; t++)
        steps[t] = t + 1;
    check_cuts(backend, &c, &whole, steps, L);
    free_result(&whole), free_case(&c);
}

Test(block, any_cut_changes_nothing) {
    each_backend(check_every_cut);
}

// Over the borders of the parallel scan's chunks.
static void check_long_cuts(const ScanBackend *backend) {
    enum { L = 200 };
    static const size_t at[] = {1, 63, 64, 65, 128, 199};
    Case c = new_case(4, small, 1, L);
    Result whole = run(backend, &c);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        check_cuts(backend, &c, &whole, (size_t[]){at[i], L}, 2);
    free_result(&whole), free_case(&c);
}

Test(block, a_cut_of_a_long_sequence_changes_nothing) {
    each_backend(check_long_cuts);
}

// --- Sequences ---------------------------------------------------------------

// The batch's sequence b by itself. The weights stay the batch's.
static Case sequence_of(const Case *c, size_t b) {
    Case one = *c;
    one.batch = 1;
    one.n_owned = 0;
    one.r = copy_floats(c->r + b * stream_size(&one), stream_size(&one));
    one.state.conv_state =
        copy_floats(c->state.conv_state + b * conv_size(&one), conv_size(&one));
    one.state.ssm_state =
        copy_floats(c->state.ssm_state + b * ssm_size(&one), ssm_size(&one));
    return one;
}

static void check_batch(const ScanBackend *backend) {
    Case c = new_case(5, small, 3, 9);
    Result all = run(backend, &c);
    for (size_t b = 0; b < c.batch; b++) {
        Case one = sequence_of(&c, b);
        Result result = run(backend, &one);
        compare(label("%s: sequence %zu", backend->name, b).text, result.r,
                all.r + b * stream_size(&one), stream_size(&one), bound);
        compare("ssm_state", result.state.ssm_state,
                all.state.ssm_state + b * ssm_size(&one), ssm_size(&one),
                bound);
        free_result(&result), free_case(&one);
    }
    free_result(&all), free_case(&c);
}

Test(block, a_batch_is_its_sequences) {
    each_backend(check_batch);
}

// A NaN in one token: earlier tokens and other sequences keep every bit.
static void check_nan(const ScanBackend *backend) {
    enum { L = 9, AT_BATCH = 1, AT_TIME = 4 };
    Case c = new_case(6, small, 3, L);
    size_t d_model = c.shape.d_model;
    Result clean = run(backend, &c);
    c.r[(AT_BATCH * L + AT_TIME) * d_model] = NAN;
    Result result = run(backend, &c);
    for (size_t i = 0; i < stream_size(&c); i++) {
        size_t t = i / d_model % L, b = i / d_model / L;
        Label what = label("%s: r (%zu, %zu)", backend->name, b, t);
        if (b != AT_BATCH || t < AT_TIME)
            compare_bits(what.text, &result.r[i], &clean.r[i], 1);
        else if (!isnan(result.r[i]))
            cr_assert_fail("%s: wanted NaN, found %g", what.text,
                           (double)result.r[i]);
    }
    free_result(&clean), free_result(&result), free_case(&c);
}

Test(block, nan_reaches_later_tokens_of_its_sequence_only) {
    each_backend(check_nan);
}

static void check_nothing(const ScanBackend *backend) {
    Case c = new_case(7, small, 2, 0);
    Result result = run(backend, &c);
    compare_bits("conv_state", result.state.conv_state, c.state.conv_state,
                 conv_size(&c));
    compare_bits("ssm_state", result.state.ssm_state, c.state.ssm_state,
                 ssm_size(&c));
    free_result(&result), free_case(&c);
}

Test(block, no_tokens_change_nothing) {
    each_backend(check_nothing);
}

// --- What it leaves alone ----------------------------------------------------

static void check_weights(const ScanBackend *backend) {
    Case c = new_case(9, small, 2, 7), same = new_case(9, small, 2, 7);
    const BlockShape *s = &c.shape;
    size_t sizes[MOST_WEIGHTS] = {s->d_model,
                                  2 * s->d_inner * s->d_model,
                                  s->d_inner * s->d_conv,
                                  (s->dt_rank + 2 * s->d_state) * s->d_inner,
                                  s->d_inner * s->dt_rank,
                                  s->d_inner,
                                  s->d_inner * s->d_state,
                                  s->d_inner,
                                  s->d_model * s->d_inner,
                                  2 * s->d_inner,
                                  s->d_inner,
                                  s->d_model};
    Result once = run(backend, &c), twice = run(backend, &c);
    cr_assert_eq(c.n_owned, MOST_WEIGHTS);
    for (size_t i = 0; i < MOST_WEIGHTS; i++)
        compare_bits(label("weight %zu", i).text, c.owned[i], same.owned[i],
                     sizes[i]);
    compare_bits("a second run", twice.r, once.r, stream_size(&c));
    free_result(&once), free_result(&twice), free_case(&c), free_case(&same);
}

Test(block, reads_its_weights_only) {
    each_backend(check_weights);
}

// --- The workspace -----------------------------------------------------------

// The activations: each begins at 64 bytes and has its room to itself.
Test(block, activations_do_not_overlap) {
    Error err;
    const ScanBackend *backend = scan_backend("cpu", &err);
    for (uint64_t seed = 0; seed < 20; seed++) {
        Case c = random_case(seed);
        const BlockShape *s = &c.shape;
        Result result = run(backend, &c);
        const BlockActivations *a = &result.act;
        const struct {
            const void *begin;
            size_t count;
        } rooms[] = {
            {a->u, s->d_model},   {a->x_raw, s->d_inner}, {a->x, s->d_inner},
            {a->z, s->d_inner},   {a->dt, s->dt_rank},    {a->B, s->d_state},
            {a->C, s->d_state},   {a->delta, s->d_inner}, {a->y, s->d_inner},
            {a->out, s->d_model}, {a->scan_scratch, 0},
        };
        size_t rows = c.batch * c.length;
        uintptr_t free_from = (uintptr_t)result.workspace;
        for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
            uintptr_t begin = (uintptr_t)rooms[i].begin;
            cr_assert_eq(begin % 64, 0, "room %zu", i);
            cr_assert(begin >= free_from, "room %zu overlaps", i);
            free_from = begin + rows * rooms[i].count * sizeof(float);
        }
        cr_assert(free_from <= (uintptr_t)result.workspace + result.bytes);
        free_result(&result), free_case(&c);
    }
}

static bool has_no_device(const Scan *scan, void *workspace, Error *err) {
    (void)scan, (void)workspace;
    return fail(err, "the device is gone");
}

// A backend that fails: the block says so, and adds nothing to r.
Test(block, fails_where_its_backend_does) {
    Error err;
    ScanBackend broken = *scan_backend("reference", &err);
    broken.run = has_no_device;
    Case c = new_case(10, small, 1, 3);
    size_t bytes = block_workspace_bytes(&c.shape, 1, 3, &broken);
    void *workspace = new_workspace(bytes);
    BlockActivations act = block_activations(&c.shape, 1, 3, workspace);
    float *r = copy_floats(c.r, stream_size(&c));
    cr_assert(!block_forward(&c.shape, &c.weights, r, c.state, 1, 3, &broken,
                             &act, &err));
    cr_assert_str_eq(err.text, "the device is gone");
    compare_bits("r", r, c.r, stream_size(&c));
    check_workspace("broken", workspace, bytes);
    free(r), free_case(&c);
}
