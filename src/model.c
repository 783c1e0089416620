#include "model.h"

#include <math.h>
#include <string.h>

#include "discretization.h"
#include "linear.h"
#include "memory.h"
#include "rmsnorm.h"

bool model_new(Model *model, const Config *config, const char *name,
               Error *err) {
    *model = (Model){.config = *config, .shape = config_block_shape(config)};
    size_t n = model->n_parameters = parameter_tensors(config);
    size_t A_count =
        config->n_layer * model->shape.d_inner * model->shape.d_state;
    size_t name_bytes = strlen(name) + 1;
    model->name = allocate(name_bytes, 1, "a name", err);
    if (!model->name)
        return false;
    memcpy(model->name, name, name_bytes);

    model->parameters = allocate(n, sizeof(Parameter), "tensor names", err);
    model->numbers = allocate(n, sizeof *model->numbers, "tensors", err);
    model->layers =
        allocate(config->n_layer, sizeof(BlockWeights), "layers", err);
    model->A = allocate(A_count, sizeof(float), "A", err);
    if (!model->parameters || !model->numbers || !model->layers || !model->A) {
        model_free(model);
        return false;
    }
    parameter_list(config, model->parameters);
    return true;
}

void model_free(Model *model) {
    release(model->name);
    release(model->parameters);
    release(model->numbers);
    release(model->layers);
    release(model->A);
    release(model->storage);
    safetensors_close(&model->file);
    *model = (Model){0};
}

// Where the model keeps a pointer to the tensor of this role; NULL for A_log,
// of which it keeps A.
static const float **slot(Model *model, ParameterRole role,
                          BlockWeights *layer) {
    switch (role) {
    case PARAMETER_EMBEDDING:
        return &model->embedding;
    case PARAMETER_NORM:
        return &layer->norm_weight;
    case PARAMETER_IN_PROJ_WEIGHT:
        return &layer->in_proj_weight;
    case PARAMETER_IN_PROJ_BIAS:
        return &layer->in_proj_bias;
    case PARAMETER_CONV1D_WEIGHT:
        return &layer->conv1d_weight;
    case PARAMETER_CONV1D_BIAS:
        return &layer->conv1d_bias;
    case PARAMETER_X_PROJ_WEIGHT:
        return &layer->x_proj_weight;
    case PARAMETER_DT_PROJ_WEIGHT:
        return &layer->dt_proj_weight;
    case PARAMETER_DT_PROJ_BIAS:
        return &layer->dt_proj_bias;
    case PARAMETER_A_LOG:
        return NULL;
    case PARAMETER_D:
        return &layer->D;
    case PARAMETER_OUT_PROJ_WEIGHT:
        return &layer->out_proj_weight;
    case PARAMETER_OUT_PROJ_BIAS:
        return &layer->out_proj_bias;
    case PARAMETER_NORM_F:
        return &model->norm_f;
    case PARAMETER_LM_HEAD:
        return &model->lm_head;
    }
    return NULL;
}

void model_bind(Model *model) {
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        BlockWeights *layer = &model->layers[parameter->layer];
        const float **pointer = slot(model, parameter->role, layer);
        if (pointer) {
            *pointer = model->numbers[i];
        } else {
            float *A = model->A + parameter->layer * parameter->count;
            A_from_A_log(A, model->numbers[i], parameter->count);
            layer->A = A;
        }
    }
    if (model->config.tie_embeddings)
        model->lm_head = model->embedding;
}

bool model_check_finite(const Model *model, Error *err) {
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        for (size_t j = 0; j < parameter->count; j++)
            if (!isfinite(model->numbers[i][j]))
                return fail(err,
                            "%s: %s: wanted finite numbers, found %g at "
                            "index %zu",
                            model->name, parameter->name,
                            (double)model->numbers[i][j], j);
    }
    return true;
}

void model_embed(const Model *model, float *r, const int32_t *tokens,
                 size_t rows) {
    size_t d_model = model->config.d_model;
    for (size_t i = 0; i < rows; i++)
        memcpy(r + i * d_model, model->embedding + (size_t)tokens[i] * d_model,
               d_model * sizeof *r);
}

void model_head(const Model *model, float *logits, const float *r, float *u,
                size_t rows) {
    size_t d_model = model->config.d_model;
    rmsnorm(u, r, model->norm_f, rows, d_model, model->shape.norm_eps);
    linear(logits, u, model->lm_head, NULL, rows, d_model,
           config_padded_vocab_size(&model->config));
}
