// A new model: each tensor's distribution as the official code has it.
#include "initialization.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(initialization, .init = test_begin, .fini = nothing_leaks);

// --- The bench ---------------------------------------------------------------

// Large enough for statistics; every size differs from every other.
static Config large_config(void) {
    Config config = config_default();
    config.d_model = 96;
    config.n_layer = 4;
    config.vocab_size = 300;
    config.expand = 3;
    config.bias = true;
    config.tie_embeddings = false;
    return config;
}

static void initialise(Model *model, const Config *config, uint64_t seed) {
    Error err;
    if (!model_initialize(model, config, seed, &err))
        cr_assert_fail("%s", err.text);
}

// Calls check() for each tensor of this role.
static void each_of(const Model *model, ParameterRole role,
                    void (*check)(const Model *, const char *name,
                                  const float *w, size_t n)) {
    size_t found = 0;
    for (size_t i = 0; i < model->n_parameters; i++)
        if (model->parameters[i].role == role) {
            check(model, model->parameters[i].name, model->numbers[i],
                  model->parameters[i].count);
            found++;
        }
    cr_assert(found > 0, "wanted tensors of role %d", (int)role);
}

static void check_constant(const char *name, const float *w, size_t n,
                           float wanted) {
    for (size_t i = 0; i < n; i++)
        compare_number(name, i, w[i], wanted, 0);
}

// The mean of n numbers strays by deviation / sqrt(n); so does the mean of
// their squares, by the deviation of the squares. The bound is five times that:
// it is missed once in two million seeds, and the seed is fixed.
static void check_mean(const char *name, double found, double wanted,
                       double deviation, size_t n) {
    compare_number(name, 0, found, wanted, 5 * deviation / sqrt((double)n));
}

// n numbers of U(-bound, bound): all within, the mean 0, the mean square
// bound^2/3 (whose deviation is bound^2 sqrt(4/45)), and the outermost near the
// ends: none of n is in the last 20/n with probability e^-10.
static void check_uniform(const char *name, const float *w, size_t n,
                          double bound) {
    double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        // Rounding to float32 may reach beyond the bound by half an ulp.
        if (!(fabs(w[i]) <= bound * (1 + 0x1p-23)))
            cr_assert_fail("%s: number %zu: wanted within %g, found %g", name,
                           i, bound, w[i]);
        sum += w[i];
        squares += (double)w[i] * w[i];
        least = fmin(least, w[i]);
        most = fmax(most, w[i]);
    }
    check_mean(name, sum / (double)n, 0, bound / sqrt(3), n);
    check_mean(name, squares / (double)n, bound * bound / 3,
               bound * bound * sqrt(4.0 / 45), n);
    double near = bound * (1 - 20.0 / (double)n);
    cr_assert(least < -near && most > near, "%s: found %g to %g of %g", name,
              least, most, bound);
}

// --- Each role ---------------------------------------------------------------

static void check_embedding(const Model *model, const char *name,
                            const float *w, size_t n) {
    (void)model;
    double sum = 0, squares = 0, fourth = 0;
    for (size_t i = 0; i < n; i++) {
        double x = w[i] / 0.02;
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    // Of N(0, 1): E x^2 = 1 with deviation sqrt(2), E x^4 = 3 with sqrt(96).
    check_mean(name, sum / (double)n, 0, 1, n);
    check_mean(name, squares / (double)n, 1, sqrt(2), n);
    check_mean(name, fourth / (double)n, 3, sqrt(96), n);
}

Test(initialization, embedding_is_normal) {
    Model model;
    Config config = large_config();
    initialise(&model, &config, 1);
    each_of(&model, PARAMETER_EMBEDDING, check_embedding);
    model_free(&model);
}

static void check_fan_in_d_model(const Model *model, const char *name,
                                 const float *w, size_t n) {
    check_uniform(name, w, n, 1 / sqrt((double)model->config.d_model));
}

static void check_fan_in_d_inner(const Model *model, const char *name,
                                 const float *w, size_t n) {
    check_uniform(name, w, n, 1 / sqrt((double)model->shape.d_inner));
}

static void check_conv(const Model *model, const char *name, const float *w,
                       size_t n) {
    check_uniform(name, w, n, 1 / sqrt((double)model->config.d_conv));
}

static void check_out_proj(const Model *model, const char *name, const float *w,
                           size_t n) {
    double residuals = (double)model->config.n_layer;
    check_uniform(name, w, n,
                  1 / sqrt((double)model->shape.d_inner) / sqrt(residuals));
}

Test(initialization, projections_are_uniform) {
    Model model;
    Config config = large_config();
    initialise(&model, &config, 2);
    each_of(&model, PARAMETER_IN_PROJ_WEIGHT, check_fan_in_d_model);
    each_of(&model, PARAMETER_LM_HEAD, check_fan_in_d_model);
    each_of(&model, PARAMETER_X_PROJ_WEIGHT, check_fan_in_d_inner);
    each_of(&model, PARAMETER_CONV1D_WEIGHT, check_conv);
    each_of(&model, PARAMETER_CONV1D_BIAS, check_conv);
    each_of(&model, PARAMETER_OUT_PROJ_WEIGHT, check_out_proj);
    model_free(&model);
}

static void check_dt_weight(const Model *model, const char *name,
                            const float *w, size_t n) {
    double rank = (double)config_dt_rank(&model->config);
    double bound = model->config.dt_scale * pow(rank, -0.5);
    if (model->config.dt_init == DT_INIT_CONSTANT)
        check_constant(name, w, n, (float)bound);
    else
        check_uniform(name, w, n, bound);
}

Test(initialization, dt_weights_keep_the_variance) {
    for (int constant = 0; constant < 2; constant++) {
        Model model;
        Config config = large_config();
        config.dt_scale = 1 + constant;
        config.dt_init = constant ? DT_INIT_CONSTANT : DT_INIT_RANDOM;
        initialise(&model, &config, 3);
        each_of(&model, PARAMETER_DT_PROJ_WEIGHT, check_dt_weight);
        model_free(&model);
    }
}

// softplus of each bias is a first step: none beyond [dt_min, dt_max], and
// their logarithms uniform between the two.
static void check_dt_bias(const Model *model, const char *name, const float *w,
                          size_t n) {
    double low = log(model->config.dt_min), high = log(model->config.dt_max);
    float *scaled = new_floats(n);
    for (size_t i = 0; i < n; i++) {
        // The bias was rounded to float32, which shifts a step by about 1e-6.
        double dt = log1p(exp(w[i]));
        if (!(dt >= exp(low) * (1 - 1e-5) && dt <= exp(high) * (1 + 1e-5)))
            cr_assert_fail("%s: number %zu: found a step of %g", name, i, dt);
        scaled[i] =
            (float)fmax(-1, fmin(1, 2 * (log(dt) - low) / (high - low) - 1));
    }
    check_uniform(name, scaled, n, 1);
    free(scaled);
}

Test(initialization, first_steps_are_log_uniform) {
    Model model;
    Config config = large_config();
    initialise(&model, &config, 4);
    each_of(&model, PARAMETER_DT_PROJ_BIAS, check_dt_bias);
    model_free(&model);

    config.dt_min = 1e-4;
    config.dt_max = 1;
    initialise(&model, &config, 4);
    each_of(&model, PARAMETER_DT_PROJ_BIAS, check_dt_bias);
    model_free(&model);
}

static void check_floor(const Model *model, const char *name, const float *w,
                        size_t n) {
    size_t at_floor = 0;
    double floor = model->config.dt_init_floor;
    for (size_t i = 0; i < n; i++) {
        double dt = log1p(exp(w[i]));
        if (!(dt >= floor * (1 - 1e-5)))
            cr_assert_fail("%s: wanted no step below %g, found %g", name, floor,
                           dt);
        at_floor += dt <= floor * (1 + 1e-5);
    }
    // The floor is the middle of the logarithms: half of the steps are there,
    // with a deviation of sqrt(n)/2.
    compare_number(name, 0, (double)at_floor, (double)n / 2,
                   2.5 * sqrt((double)n));
}

Test(initialization, no_first_step_is_below_the_floor) {
    Model model;
    Config config = large_config();
    config.dt_init_floor = sqrt(config.dt_min * config.dt_max);
    initialise(&model, &config, 5);
    each_of(&model, PARAMETER_DT_PROJ_BIAS, check_floor);
    model_free(&model);
}

static void check_A_log(const Model *model, const char *name, const float *w,
                        size_t n) {
    size_t N = model->config.d_state;
    for (size_t i = 0; i < n; i++)
        compare_number(name, i, w[i], (float)log((double)(i % N + 1)), 0);
}

static void check_ones(const Model *model, const char *name, const float *w,
                       size_t n) {
    (void)model;
    check_constant(name, w, n, 1);
}

static void check_zeros(const Model *model, const char *name, const float *w,
                        size_t n) {
    (void)model;
    check_constant(name, w, n, 0);
}

Test(initialization, the_others_are_exact) {
    Model model;
    Config config = large_config();
    initialise(&model, &config, 6);
    each_of(&model, PARAMETER_A_LOG, check_A_log);
    each_of(&model, PARAMETER_D, check_ones);
    each_of(&model, PARAMETER_NORM, check_ones);
    each_of(&model, PARAMETER_NORM_F, check_ones);
    each_of(&model, PARAMETER_IN_PROJ_BIAS, check_zeros);
    each_of(&model, PARAMETER_OUT_PROJ_BIAS, check_zeros);

    // A = -1, -2 .. -N: exp(log(n)) is n within two roundings of 6e-8.
    size_t N = config.d_state, n = config.n_layer * model.shape.d_inner * N;
    for (size_t i = 0; i < n; i++) {
        double wanted = -(double)(i % N + 1);
        compare_number("A", i, model.A[i], wanted, 3e-7 * -wanted);
    }
    model_free(&model);
}

// --- Seeds -------------------------------------------------------------------

static void *copy_weights(const Config *config, uint64_t seed) {
    Model model;
    initialise(&model, config, seed);
    float *weights = copy_floats(model.storage, parameter_total(config));
    model_free(&model);
    return weights;
}

Test(initialization, the_same_seed_gives_the_same_bits) {
    Config config = large_config();
    size_t n = parameter_total(&config);
    float *one = copy_weights(&config, 7), *other = copy_weights(&config, 7);
    compare_bits("weights", one, other, n);
    free(other);

    // Another seed gives other numbers wherever they are drawn.
    other = copy_weights(&config, 8);
    size_t same = 0;
    for (size_t i = 0; i < n; i++)
        same += one[i] == other[i];
    size_t fixed = 0;
    Parameter *list = malloc(parameter_tensors(&config) * sizeof *list);
    parameter_list(&config, list);
    for (size_t i = 0; i < parameter_tensors(&config); i++) {
        ParameterRole role = list[i].role;
        if (role == PARAMETER_A_LOG || role == PARAMETER_D ||
            role == PARAMETER_NORM || role == PARAMETER_NORM_F ||
            role == PARAMETER_IN_PROJ_BIAS || role == PARAMETER_OUT_PROJ_BIAS)
            fixed += list[i].count;
    }
    // Two float32 numbers of 2^24 values agree now and then.
    cr_assert(same >= fixed && same < fixed + n / 1000,
              "wanted %zu equal numbers, found %zu", fixed, same);
    free(list);
    free(one);
    free(other);
}

// No two tensors are drawn from the same stretch of random numbers.
Test(initialization, layers_differ) {
    Model model;
    Config config = large_config();
    initialise(&model, &config, 9);
    for (size_t i = 1; i < config.n_layer; i++) {
        size_t n;
        Label name = label("backbone.layers.%zu.mixer.in_proj.weight", i);
        const float *one = model.layers[0].in_proj_weight.numbers;
        const float *other = toy_tensor(&model, name.text, &n);
        cr_assert(memcmp(one, other, n * sizeof *one) != 0);
    }
    model_free(&model);
}

// The first numbers of seed 0 on the machine where this was written: on any
// other they must be the same, up to the last bit of its libm's logarithm.
Test(initialization, is_the_same_on_every_machine) {
    Model model;
    Config config = toy_config();
    initialise(&model, &config, 0);
    // random.c pins the generator: 0xe220a8397b1dcdaf and 0x6e789e6aa1b965f4
    // are its first two numbers, of which Box and Muller make the first weight.
    double first = (double)(0xe220a8397b1dcdafu >> 11) * 0x1p-53;
    double second = (double)(0x6e789e6aa1b965f4u >> 11) * 0x1p-53;
    double wanted =
        0.02 * sqrt(-2 * log(1 - first)) * cos(6.283185307179586 * second);
    float first_weight = ((const float *)model.embedding.numbers)[0];
    compare_number("the first weight", 0, first_weight, wanted,
                   1e-6 * fabs(wanted));
    model_free(&model);
}

// --- Refusing ----------------------------------------------------------------

Test(initialization, of_a_wrong_configuration_is_refused) {
    Model model;
    Error err;
    Config config = toy_config();
    config.d_state = 0;
    cr_assert(!model_initialize(&model, &config, 0, &err));
    cr_assert(strstr(err.text, "d_state: wanted 1 to"), "found: %s", err.text);
}

// The size is legal, and more than any machine has.
Test(initialization, of_a_model_too_large_is_refused) {
    Model model;
    Error err;
    Config config = toy_config();
    config.n_layer = config.d_state = config.expand = 1;
    config.d_model = 1 << 20;
    config.vocab_size = 1 << 28;
    cr_assert(!model_initialize(&model, &config, 0, &err));
    cr_assert(strstr(err.text, "wanted") && strstr(err.text, "found no room"),
              "found: %s", err.text);
    cr_assert_eq(memory_live(), 0);
}

Test(initialization, the_smallest_model_is_initialised) {
    Config config = config_default();
    config.d_model = config.n_layer = config.vocab_size = config.d_state = 1;
    config.d_conv = config.expand = config.pad_vocab_size_multiple = 1;
    Model model;
    initialise(&model, &config, 0);
    cr_assert_eq(model.n_parameters, 12);
    model_free(&model);
}
