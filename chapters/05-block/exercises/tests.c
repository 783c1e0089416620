// Exercise 5.5: the block that reads both ways, against what single blocks add,
// each run by itself.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "exercise.h"
#include "failing_memory.h"

TestSuite(both_ways, .fini = nothing_leaks);

// The same operations in another order of the last two additions: a rounding or
// two of numbers about 1, and what a BLAS may differ by between two calls.
static const Tolerance bound = {.absolute = 1e-5, .relative = 1e-5};

static const BlockShape small = {.d_model = 7,
                                 .d_inner = 18,
                                 .d_state = 5,
                                 .d_conv = 4,
                                 .dt_rank = 2,
                                 .norm_eps = 1e-5f};

// --- Blocks -----------------------------------------------------------------

enum { N_WEIGHTS = 10 };

// A block's weights and their memory.
typedef struct {
    BlockWeights weights;
    float *owned[N_WEIGHTS];
} Block;

static Block new_block(const BlockShape *s, uint64_t seed) {
    Random random = random_from_seed(seed);
    size_t M = s->d_model, I = s->d_inner, R = s->dt_rank, N = s->d_state;
    const size_t counts[N_WEIGHTS] = {
        M,     2 * I * M, I * s->d_conv, I, (R + 2 * N) * I,
        I * R, I,         I * N,         I, M * I};
    const double low[N_WEIGHTS] = {0.5, -1, -1, -1, -1, -1, -4, -4, 0.5, -1};
    const double high[N_WEIGHTS] = {1.5, 1, 1, 1, 1, 1, 0, -0.1, 1.5, 1};
    Block b;
    for (size_t i = 0; i < N_WEIGHTS; i++) {
        bool projection = i == 1 || i == 4 || i == 9;
        double scale = projection ? 0.3 : 1;
        b.owned[i] =
            random_floats(&random, counts[i], scale * low[i], scale * high[i]);
    }
    b.weights =
        (BlockWeights){.norm_weight = b.owned[0],
                       .in_proj_weight = matrix_f32(b.owned[1], 2 * I, M),
                       .conv1d_weight = b.owned[2],
                       .conv1d_bias = b.owned[3],
                       .x_proj_weight = matrix_f32(b.owned[4], R + 2 * N, I),
                       .dt_proj_weight = matrix_f32(b.owned[5], I, R),
                       .dt_proj_bias = b.owned[6],
                       .A = b.owned[7],
                       .D = b.owned[8],
                       .out_proj_weight = matrix_f32(b.owned[9], M, I)};
    return b;
}

static void free_block(Block *b) {
    for (size_t i = 0; i < N_WEIGHTS; i++)
        free(b->owned[i]);
}

// A block that adds nothing: out_proj is zero.
static Block mute_block(const BlockShape *s, uint64_t seed) {
    Block b = new_block(s, seed);
    memset(b.owned[9], 0, s->d_model * s->d_inner * sizeof(float));
    return b;
}

static const ScanBackend *cpu(void) {
    Error err;
    const ScanBackend *backend = scan_backend("cpu", &err);
    cr_assert(backend, "%s", err.text);
    return backend;
}

static float *new_stream(const BlockShape *s, size_t length, uint64_t seed) {
    Random random = random_from_seed(seed);
    return random_floats(&random, length * s->d_model, -1, 1);
}

static float *reverse(const float *r, size_t length, size_t d_model) {
    float *reversed = new_floats(length * d_model);
    for (size_t i = 0; i < length * d_model; i++)
        reversed[i] = r[(length - 1 - i / d_model) * d_model + i % d_model];
    return reversed;
}

// What one block adds to r, from empty states; r stays as it was.
static double *added(const BlockShape *s, const BlockWeights *weights,
                     const float *r, size_t length) {
    size_t n = length * s->d_model;
    size_t bytes = block_workspace_bytes(s, 1, length, cpu());
    void *workspace = new_workspace(bytes);
    BlockActivations act = block_activations(s, 1, length, workspace);
    float *stream = copy_floats(r, n);
    BlockState state = {.conv_state = new_floats((s->d_conv - 1) * s->d_inner),
                        .ssm_state = new_floats(s->d_inner * s->d_state)};
    for (size_t i = 0; i < (s->d_conv - 1) * s->d_inner; i++)
        state.conv_state[i] = 0;
    for (size_t i = 0; i < s->d_inner * s->d_state; i++)
        state.ssm_state[i] = 0;
    Error err;
    cr_assert(
        block_forward(s, weights, stream, state, 1, length, cpu(), &act, &err));
    double *sum = new_doubles(n);
    for (size_t i = 0; i < n; i++)
        sum[i] = act.out[i];
    free(stream), free(state.conv_state), free(state.ssm_state);
    check_workspace("one block", workspace, bytes);
    return sum;
}

// The reader's function on a copy of r, in a workspace of its own measure that
// is full of NaN.
static float *run(const BlockShape *s, const Block *forwards,
                  const Block *backwards, const float *r, size_t length) {
    size_t bytes = both_ways_workspace_bytes(s, length, cpu());
    void *workspace = new_workspace(bytes);
    float *result = copy_floats(r, length * s->d_model);
    Error err;
    cr_assert(both_ways_forward(s, &forwards->weights, &backwards->weights,
                                result, length, cpu(), workspace, &err));
    check_workspace("both ways", workspace, bytes);
    return result;
}

// --- Tests ------------------------------------------------------------------

static void check_sum(const char *name, const BlockShape *s,
                      const Block *forwards, const Block *backwards,
                      size_t length) {
    size_t M = s->d_model, n = length * M;
    float *r = new_stream(s, length, 3), *reversed = reverse(r, length, M);
    double *f = added(s, &forwards->weights, r, length);
    double *g = added(s, &backwards->weights, reversed, length);
    for (size_t i = 0; i < n; i++)
        f[i] += (double)r[i] + g[(length - 1 - i / M) * M + i % M];
    float *result = run(s, forwards, backwards, r, length);
    compare_to_double(name, result, f, n, bound);
    free(r), free(reversed), free(f), free(g), free(result);
}

Test(both_ways, forwards_alone_is_a_block) {
    Block forwards = new_block(&small, 1), backwards = mute_block(&small, 2);
    check_sum("backwards adds nothing", &small, &forwards, &backwards, 9);
    free_block(&forwards), free_block(&backwards);
}

Test(both_ways, backwards_alone_is_a_block_in_a_mirror) {
    Block forwards = mute_block(&small, 1), backwards = new_block(&small, 2);
    check_sum("forwards adds nothing", &small, &forwards, &backwards, 9);
    free_block(&forwards), free_block(&backwards);
}

Test(both_ways, is_the_sum_for_any_length) {
    Block forwards = new_block(&small, 1), backwards = new_block(&small, 2);
    for (size_t length = 1; length <= 20; length++)
        check_sum(label("length %zu", length).text, &small, &forwards,
                  &backwards, length);
    free_block(&forwards), free_block(&backwards);
}

Test(both_ways, is_the_sum_for_any_shape) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        Random random = random_from_seed(seed);
        BlockShape shape = {.d_model = random_count(&random, 1, 20),
                            .d_inner = random_count(&random, 1, 40),
                            .d_state = random_count(&random, 1, 17),
                            .d_conv = random_count(&random, 1, 6),
                            .dt_rank = random_count(&random, 1, 4),
                            .norm_eps = 1e-5f};
        size_t length = random_count(&random, 1, 30);
        Block forwards = new_block(&shape, ~seed);
        Block backwards = new_block(&shape, ~seed - 1000);
        check_sum(label("seed %llu", (unsigned long long)seed).text, &shape,
                  &forwards, &backwards, length);
        free_block(&forwards), free_block(&backwards);
    }
}

// Where both blocks are the same, a mirrored input gives a mirrored output.
Test(both_ways, the_same_block_twice_is_symmetric) {
    enum { L = 9 };
    Block block = new_block(&small, 4);
    float *r = new_stream(&small, L, 5), *mirror = reverse(r, L, small.d_model);
    float *one = run(&small, &block, &block, r, L);
    float *other = run(&small, &block, &block, mirror, L);
    float *back = reverse(other, L, small.d_model);
    compare("mirrored", back, one, L * small.d_model, bound);
    free(r), free(mirror), free(one), free(other), free(back);
    free_block(&block);
}

// Whether any number of token t differs.
static bool differs(const float *a, const float *b, size_t t) {
    for (size_t i = 0; i < small.d_model; i++)
        if (a[t * small.d_model + i] != b[t * small.d_model + i])
            return true;
    return false;
}

Test(both_ways, every_token_hears_of_every_other) {
    enum { L = 6 };
    Block forwards = new_block(&small, 1), backwards = new_block(&small, 2);
    float *r = new_stream(&small, L, 6);
    float *before = run(&small, &forwards, &backwards, r, L);
    for (size_t changed = 0; changed < L; changed++) {
        float *other = copy_floats(r, L * small.d_model);
        other[changed * small.d_model] += 1;
        float *after = run(&small, &forwards, &backwards, other, L);
        for (size_t t = 0; t < L; t++)
            cr_assert(differs(after, before, t),
                      "token %zu has not heard of token %zu", t, changed);
        free(other), free(after);
    }
    free(r), free(before), free_block(&forwards), free_block(&backwards);
}

Test(both_ways, no_tokens_are_no_harm) {
    Block forwards = new_block(&small, 1), backwards = new_block(&small, 2);
    float *none = new_floats(0);
    free(run(&small, &forwards, &backwards, none, 0));
    free(none), free_block(&forwards), free_block(&backwards);
}

// A NaN in a token must not be hidden: it reaches all of them.
Test(both_ways, nan_reaches_everyone) {
    enum { L = 5, AT = 2 };
    Block forwards = new_block(&small, 1), backwards = new_block(&small, 2);
    float *r = new_stream(&small, L, 7);
    r[AT * small.d_model] = NAN;
    float *result = run(&small, &forwards, &backwards, r, L);
    for (size_t i = 0; i < L * small.d_model; i++)
        cr_assert(isnan(result[i]), "number %zu: wanted NaN", i);
    free(r), free(result), free_block(&forwards), free_block(&backwards);
}

static bool has_no_device(const Scan *scan, void *workspace, Error *err) {
    (void)scan, (void)workspace;
    return fail(err, "the device is gone");
}

// The scan's second call fails, too, where only the backwards block is read.
static size_t calls;
static bool fails_the_second_time(const Scan *scan, void *workspace,
                                  Error *err) {
    if (++calls == 2)
        return fail(err, "the device is gone");
    return cpu()->run(scan, workspace, err);
}

static void check_failure(bool (*scan)(const Scan *, void *, Error *)) {
    ScanBackend broken = *cpu();
    broken.run = scan;
    Block block = new_block(&small, 1);
    float *r = new_stream(&small, 3, 8);
    size_t bytes = both_ways_workspace_bytes(&small, 3, &broken);
    void *workspace = new_workspace(bytes);
    Error err;
    cr_assert(!both_ways_forward(&small, &block.weights, &block.weights, r, 3,
                                 &broken, workspace, &err));
    cr_assert_str_eq(err.text, "the device is gone");
    check_workspace("broken", workspace, bytes);
    free(r), free_block(&block);
}

Test(both_ways, fails_where_its_backend_does) {
    check_failure(has_no_device);
    calls = 0;
    check_failure(fails_the_second_time);
}
