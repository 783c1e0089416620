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
    model->matrices = allocate(n, sizeof(Matrix), "matrices", err);
    model->layers =
        allocate(config->n_layer, sizeof(BlockWeights), "layers", err);
    model->A = allocate(A_count, sizeof(float), "A", err);
    if (!model->parameters || !model->numbers || !model->matrices ||
        !model->layers || !model->A) {
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
    release(model->matrices);
    release(model->layers);
    release(model->A);
    release(model->storage);
    safetensors_close(&model->file);
    *model = (Model){0};
}

// Where the model keeps the matrix of this role; NULL where it is none.
static Matrix *matrix_slot(Model *model, ParameterRole role,
                           BlockWeights *layer) {
    switch (role) {
    case PARAMETER_EMBEDDING:
        return &model->embedding;
    case PARAMETER_IN_PROJ_WEIGHT:
        return &layer->in_proj_weight;
    case PARAMETER_X_PROJ_WEIGHT:
        return &layer->x_proj_weight;
    case PARAMETER_DT_PROJ_WEIGHT:
        return &layer->dt_proj_weight;
    case PARAMETER_OUT_PROJ_WEIGHT:
        return &layer->out_proj_weight;
    case PARAMETER_LM_HEAD:
        return &model->lm_head;
    default:
        return NULL;
    }
}

// Where it keeps a pointer to other numbers; NULL for A_log, of which it keeps
// A.
static const float **pointer_slot(Model *model, ParameterRole role,
                                  BlockWeights *layer) {
    switch (role) {
    case PARAMETER_NORM:
        return &layer->norm_weight;
    case PARAMETER_IN_PROJ_BIAS:
        return &layer->in_proj_bias;
    case PARAMETER_CONV1D_WEIGHT:
        return &layer->conv1d_weight;
    case PARAMETER_CONV1D_BIAS:
        return &layer->conv1d_bias;
    case PARAMETER_DT_PROJ_BIAS:
        return &layer->dt_proj_bias;
    case PARAMETER_D:
        return &layer->D;
    case PARAMETER_OUT_PROJ_BIAS:
        return &layer->out_proj_bias;
    case PARAMETER_NORM_F:
        return &model->norm_f;
    default:
        return NULL;
    }
}

// One tensor, by its index, to where the model uses it.
static void bind(Model *model, size_t i) {
    const Parameter *parameter = &model->parameters[i];
    BlockWeights *layer = &model->layers[parameter->layer];
    Matrix *matrix = matrix_slot(model, parameter->role, layer);
    const float **pointer = pointer_slot(model, parameter->role, layer);
    if (matrix) {
        *matrix = model->matrices[i];
        if (model->numbers[i])
            *matrix = matrix_f32(model->numbers[i], parameter->shape[0],
                                 parameter->shape[1]);
    } else if (pointer) {
        *pointer = model->numbers[i];
    } else {
        float *A = model->A + parameter->layer * parameter->count;
        A_from_A_log(A, model->numbers[i], parameter->count);
        layer->A = A;
    }
}

void model_bind(Model *model) {
    for (size_t i = 0; i < model->n_parameters; i++)
        bind(model, i);
    if (model->config.tie_embeddings)
        model->lm_head = model->embedding;
}

// Number j of tensor i, whatever it is kept as.
static float number_at(const Model *model, size_t i, size_t j) {
    if (model->numbers[i])
        return model->numbers[i][j];
    Matrix W = model->matrices[i];
    float number;
    matrix_columns(&number, matrix_rows(W, j / W.in, 1), j % W.in, 1);
    return number;
}

bool model_check_finite(const Model *model, Error *err) {
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        for (size_t j = 0; j < parameter->count; j++)
            if (!isfinite(number_at(model, i, j)))
                return fail(err,
                            "%s: %s: wanted finite numbers, found %g at "
                            "index %zu",
                            model->name, parameter->name,
                            (double)number_at(model, i, j), j);
    }
    return true;
}

void model_embed(const Model *model, float *r, const int32_t *tokens,
                 size_t rows) {
    size_t d_model = model->config.d_model;
    for (size_t i = 0; i < rows; i++)
        matrix_columns(r + i * d_model,
                       matrix_rows(model->embedding, (size_t)tokens[i], 1), 0,
                       d_model);
}

void model_head(const Model *model, float *logits, const float *r, float *u,
                size_t rows) {
    size_t d_model = model->config.d_model;
    rmsnorm(u, r, model->norm_f, rows, d_model, model->shape.norm_eps);
    linear(logits, u, model->lm_head, NULL, rows);
}
