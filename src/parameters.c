#include "parameters.h"

#include <stdio.h>

// What a layer may have: roles and names.
static const struct {
    ParameterRole role;
    const char *name;
} layer_roles[] = {
    {PARAMETER_NORM, "norm.weight"},
    {PARAMETER_IN_PROJ_WEIGHT, "mixer.in_proj.weight"},
    {PARAMETER_IN_PROJ_BIAS, "mixer.in_proj.bias"},
    {PARAMETER_CONV1D_WEIGHT, "mixer.conv1d.weight"},
    {PARAMETER_CONV1D_BIAS, "mixer.conv1d.bias"},
    {PARAMETER_X_PROJ_WEIGHT, "mixer.x_proj.weight"},
    {PARAMETER_DT_PROJ_WEIGHT, "mixer.dt_proj.weight"},
    {PARAMETER_DT_PROJ_BIAS, "mixer.dt_proj.bias"},
    {PARAMETER_A_LOG, "mixer.A_log"},
    {PARAMETER_D, "mixer.D"},
    {PARAMETER_OUT_PROJ_WEIGHT, "mixer.out_proj.weight"},
    {PARAMETER_OUT_PROJ_BIAS, "mixer.out_proj.bias"},
};
static const size_t n_layer_roles = sizeof layer_roles / sizeof *layer_roles;

bool parameter_is_matrix(ParameterRole role) {
    switch (role) {
    case PARAMETER_EMBEDDING:
    case PARAMETER_IN_PROJ_WEIGHT:
    case PARAMETER_X_PROJ_WEIGHT:
    case PARAMETER_DT_PROJ_WEIGHT:
    case PARAMETER_OUT_PROJ_WEIGHT:
    case PARAMETER_LM_HEAD:
        return true;
    default:
        return false;
    }
}

// Does a model of this configuration have such a tensor?
static bool wanted(const Config *config, ParameterRole role) {
    switch (role) {
    case PARAMETER_IN_PROJ_BIAS:
    case PARAMETER_OUT_PROJ_BIAS:
        return config->bias;
    case PARAMETER_CONV1D_BIAS:
        return config->conv_bias;
    case PARAMETER_LM_HEAD:
        return !config->tie_embeddings;
    default:
        return true;
    }
}

static void set_shape(Parameter *parameter, size_t rank, size_t a, size_t b,
                      size_t c) {
    parameter->rank = rank;
    parameter->shape[0] = a;
    parameter->shape[1] = b;
    parameter->shape[2] = c;
    parameter->count = a * b * c;
}

// The shape of each role, as in the official checkpoints.
static void shape_by_role(const Config *config, Parameter *parameter) {
    size_t V = config_padded_vocab_size(config), d_model = config->d_model;
    size_t d_inner = config_d_inner(config), N = config->d_state;
    size_t R = config_dt_rank(config);
    switch (parameter->role) {
    case PARAMETER_EMBEDDING:
    case PARAMETER_LM_HEAD:
        set_shape(parameter, 2, V, d_model, 1);
        return;
    case PARAMETER_NORM:
    case PARAMETER_NORM_F:
    case PARAMETER_OUT_PROJ_BIAS:
        set_shape(parameter, 1, d_model, 1, 1);
        return;
    case PARAMETER_IN_PROJ_WEIGHT:
        set_shape(parameter, 2, 2 * d_inner, d_model, 1);
        return;
    case PARAMETER_IN_PROJ_BIAS:
        set_shape(parameter, 1, 2 * d_inner, 1, 1);
        return;
    case PARAMETER_CONV1D_WEIGHT:
        set_shape(parameter, 3, d_inner, 1, config->d_conv);
        return;
    case PARAMETER_CONV1D_BIAS:
    case PARAMETER_DT_PROJ_BIAS:
    case PARAMETER_D:
        set_shape(parameter, 1, d_inner, 1, 1);
        return;
    case PARAMETER_X_PROJ_WEIGHT:
        set_shape(parameter, 2, R + 2 * N, d_inner, 1);
        return;
    case PARAMETER_DT_PROJ_WEIGHT:
        set_shape(parameter, 2, d_inner, R, 1);
        return;
    case PARAMETER_A_LOG:
        set_shape(parameter, 2, d_inner, N, 1);
        return;
    case PARAMETER_OUT_PROJ_WEIGHT:
        set_shape(parameter, 2, d_model, d_inner, 1);
        return;
    }
}

size_t parameter_tensors(const Config *config) {
    size_t each = 0;
    for (size_t i = 0; i < n_layer_roles; i++)
        each += wanted(config, layer_roles[i].role);
    // The embedding, the layers, norm_f, and perhaps a head of its own.
    return 1 + config->n_layer * each + 1 + wanted(config, PARAMETER_LM_HEAD);
}

// A tensor that stands outside the layers.
static Parameter single(const Config *config, ParameterRole role,
                        const char *name) {
    Parameter parameter = {.role = role};
    snprintf(parameter.name, sizeof parameter.name, "%s", name);
    shape_by_role(config, &parameter);
    return parameter;
}

void parameter_list(const Config *config, Parameter *list) {
    *list++ = single(config, PARAMETER_EMBEDDING, "backbone.embeddings.weight");
    for (size_t layer = 0; layer < config->n_layer; layer++)
        for (size_t i = 0; i < n_layer_roles; i++) {
            if (!wanted(config, layer_roles[i].role))
                continue;
            *list = (Parameter){.role = layer_roles[i].role, .layer = layer};
            snprintf(list->name, sizeof list->name, "backbone.layers.%zu.%s",
                     layer, layer_roles[i].name);
            shape_by_role(config, list);
            list++;
        }
    *list++ = single(config, PARAMETER_NORM_F, "backbone.norm_f.weight");
    if (wanted(config, PARAMETER_LM_HEAD))
        *list = single(config, PARAMETER_LM_HEAD, "lm_head.weight");
}

// Bytes of one tensor.
static size_t bytes_of(const Parameter *parameter, MatrixType weights) {
    if (parameter_is_matrix(parameter->role))
        return matrix_bytes(weights, parameter->shape[0], parameter->shape[1]);
    return parameter->count * sizeof(float);
}

size_t parameter_bytes(const Config *config, MatrixType weights) {
    Parameter embedding = single(config, PARAMETER_EMBEDDING, "");
    Parameter norm_f = single(config, PARAMETER_NORM_F, "");
    size_t layer = 0;
    for (size_t i = 0; i < n_layer_roles; i++)
        if (wanted(config, layer_roles[i].role)) {
            Parameter one = single(config, layer_roles[i].role, "");
            layer += bytes_of(&one, weights);
        }
    size_t heads = wanted(config, PARAMETER_LM_HEAD) ? 2 : 1;
    return heads * bytes_of(&embedding, weights) + config->n_layer * layer +
           bytes_of(&norm_f, weights);
}

size_t parameter_total(const Config *config) {
    return parameter_bytes(config, MATRIX_F32) / sizeof(float);
}
