#include "initialization.h"

#include <math.h>

#include "discretization.h"
#include "memory.h"
#include "random.h"

// n numbers from U(-bound, bound).
static void fill_uniform(float *w, size_t n, double bound, Random *random) {
    for (size_t i = 0; i < n; i++)
        w[i] = (float)random_uniform(random, -bound, bound);
}

static void fill_constant(float *w, size_t n, double number) {
    for (size_t i = 0; i < n; i++)
        w[i] = (float)number;
}

static void fill_normal(float *w, size_t n, double deviation, Random *random) {
    for (size_t i = 0; i < n; i++)
        w[i] = (float)random_normal(random, 0, deviation);
}

// dt_proj.weight keeps the variance of dt: bound dt_rank^-0.5 * dt_scale.
static void fill_dt_weight(float *w, size_t n, const Config *config,
                           Random *random) {
    double bound = config->dt_scale / sqrt((double)config_dt_rank(config));
    if (config->dt_init == DT_INIT_CONSTANT)
        fill_constant(w, n, bound);
    else
        fill_uniform(w, n, bound, random);
}

// Steps Delta spread evenly over the logarithm of [dt_min, dt_max]; the bias is
// where softplus gives that step.
static void fill_dt_bias(float *w, size_t n, const Config *config,
                         Random *random) {
    double low = log(config->dt_min), high = log(config->dt_max);
    for (size_t i = 0; i < n; i++) {
        double dt = exp(random_uniform(random, low, high));
        w[i] = (float)softplus_inverse(fmax(dt, config->dt_init_floor));
    }
}

// A = -1, -2 .. -N for every channel: A_log = ln 1, ln 2 .. ln N.
static void fill_A_log(float *w, size_t n, const Config *config) {
    for (size_t i = 0; i < n; i++)
        w[i] = (float)log((double)(i % config->d_state + 1));
}

// One tensor by its role, as the official code initialises it.
static void initialize(float *w, const Parameter *parameter,
                       const Config *config, Random *random) {
    size_t n = parameter->count;
    double fan_in = (double)parameter->shape[1];
    switch (parameter->role) {
    case PARAMETER_EMBEDDING:
        fill_normal(w, n, 0.02, random);
        return;
    case PARAMETER_IN_PROJ_WEIGHT:
    case PARAMETER_X_PROJ_WEIGHT:
    case PARAMETER_LM_HEAD:
        fill_uniform(w, n, 1 / sqrt(fan_in), random);
        return;
    case PARAMETER_CONV1D_WEIGHT:
    case PARAMETER_CONV1D_BIAS:
        fill_uniform(w, n, 1 / sqrt((double)config->d_conv), random);
        return;
    case PARAMETER_DT_PROJ_WEIGHT:
        fill_dt_weight(w, n, config, random);
        return;
    case PARAMETER_DT_PROJ_BIAS:
        fill_dt_bias(w, n, config, random);
        return;
    case PARAMETER_A_LOG:
        fill_A_log(w, n, config);
        return;
    case PARAMETER_OUT_PROJ_WEIGHT:
        // One residual addition for each layer: their variances add up.
        fill_uniform(w, n, 1 / sqrt(fan_in * (double)config->n_layer), random);
        return;
    case PARAMETER_IN_PROJ_BIAS:
    case PARAMETER_OUT_PROJ_BIAS:
        fill_constant(w, n, 0);
        return;
    case PARAMETER_D:
    case PARAMETER_NORM:
    case PARAMETER_NORM_F:
        fill_constant(w, n, 1);
        return;
    }
}

bool model_initialize(Model *model, const Config *config, uint64_t seed,
                      Error *err) {
    if (!config_check(config, "configuration", err) ||
        !model_new(model, config, "a new model", err))
        return false;
    model->storage = allocate(parameter_total(config), sizeof(float),
                              "the model's weights", err);
    if (!model->storage) {
        model_free(model);
        return false;
    }
    Random random = random_from_seed(seed);
    float *w = model->storage;
    for (size_t i = 0; i < model->n_parameters; i++) {
        initialize(w, &model->parameters[i], config, &random);
        model->numbers[i] = w;
        w += model->parameters[i].count;
    }
    model_bind(model);
    return true;
}
