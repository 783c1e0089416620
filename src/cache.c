#include "cache.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

size_t cache_bytes(const Config *config) {
    return session_state_count(config) * sizeof(float);
}

enum { STATES_OF_A_LAYER = 2, NAME_BYTES = 40 };

// The two states of a layer as tensors; names holds STATES_OF_A_LAYER names.
static void describe_layer(const Session *session, size_t layer,
                           Tensor *tensors, char (*names)[NAME_BYTES]) {
    const BlockShape *shape = &session->model->shape;
    snprintf(names[0], NAME_BYTES, "layers.%zu.conv_state", layer);
    snprintf(names[1], NAME_BYTES, "layers.%zu.ssm_state", layer);
    tensors[0] =
        (Tensor){.name = names[0],
                 .type = TENSOR_F32,
                 .rank = 3,
                 .shape = {session->batch, shape->d_conv - 1, shape->d_inner},
                 .count = session->batch * (shape->d_conv - 1) * shape->d_inner,
                 .data = session->layers[layer].conv_state};
    tensors[1] =
        (Tensor){.name = names[1],
                 .type = TENSOR_F32,
                 .rank = 3,
                 .shape = {session->batch, shape->d_inner, shape->d_state},
                 .count = session->batch * shape->d_inner * shape->d_state,
                 .data = session->layers[layer].ssm_state};
}

bool cache_save(const Session *session, const char *path, Error *err) {
    static const char *const metadata[] = {"format", "minimamba state"};
    size_t n_layer = session->model->config.n_layer;
    size_t count = n_layer * STATES_OF_A_LAYER + 1;
    int64_t position = (int64_t)session->position;
    Tensor *tensors = allocate(count, sizeof *tensors, "tensors", err);
    char(*names)[NAME_BYTES] =
        allocate(count, NAME_BYTES, "the tensors' names", err);
    bool ok = tensors && names;
    if (ok) {
        for (size_t i = 0; i < n_layer; i++)
            describe_layer(session, i, tensors + i * STATES_OF_A_LAYER,
                           names + i * STATES_OF_A_LAYER);
        tensors[count - 1] = (Tensor){.name = "position",
                                      .type = TENSOR_I64,
                                      .rank = 1,
                                      .shape = {1},
                                      .count = 1,
                                      .data = &position};
        ok = safetensors_write(path, tensors, count, metadata, 1, err);
    }
    release(tensors);
    release(names);
    return ok;
}

// The file's tensor for a state: there, of its type and shape, and finite.
static bool check_state(const Safetensors *file, const Tensor *wanted,
                        Error *err) {
    const Tensor *found = safetensors_find(file, wanted->name);
    if (!found)
        return fail(err, "%s: %s: wanted this state, found none", file->path,
                    wanted->name);
    if (found->type != wanted->type || found->rank != wanted->rank ||
        memcmp(found->shape, wanted->shape, sizeof found->shape) != 0) {
        char want[96], have[96];
        shape_text(want, sizeof want, wanted->shape, wanted->rank);
        shape_text(have, sizeof have, found->shape, found->rank);
        return fail(err, "%s: %s: wanted %s %s, found %s %s", file->path,
                    wanted->name, tensor_type_name(wanted->type), want,
                    tensor_type_name(found->type), have);
    }
    for (size_t i = 0; i < found->count; i++) {
        float number;
        memcpy(&number, (const char *)found->data + i * sizeof number,
               sizeof number);
        if (!isfinite(number))
            return fail(err, "%s: %s: wanted finite numbers, found %g",
                        file->path, wanted->name, (double)number);
    }
    return true;
}

// The number of tokens behind the states.
static bool read_position(const Safetensors *file, size_t *position,
                          Error *err) {
    const Tensor *tensor = safetensors_find(file, "position");
    int64_t number = -1;
    if (tensor && tensor->type == TENSOR_I64 && tensor->count == 1)
        memcpy(&number, tensor->data, sizeof number);
    if (number < 0)
        return fail(err, "%s: position: wanted a number of tokens, found none",
                    file->path);
    *position = (size_t)number;
    return true;
}

// Every state of the session is in the file, and nothing else.
static bool check_states(const Session *session, const Safetensors *file,
                         Error *err) {
    size_t n_layer = session->model->config.n_layer;
    size_t count = n_layer * STATES_OF_A_LAYER + 1;
    for (size_t layer = 0; layer < n_layer; layer++) {
        Tensor wanted[STATES_OF_A_LAYER];
        char names[STATES_OF_A_LAYER][NAME_BYTES];
        describe_layer(session, layer, wanted, names);
        for (size_t i = 0; i < STATES_OF_A_LAYER; i++)
            if (!check_state(file, &wanted[i], err))
                return false;
    }
    if (file->count != count)
        return fail(err, "%s: wanted %zu tensors for %zu layers, found %zu",
                    file->path, count, n_layer, file->count);
    return true;
}

static void copy_states(Session *session, const Safetensors *file) {
    for (size_t layer = 0; layer < session->model->config.n_layer; layer++) {
        Tensor states[STATES_OF_A_LAYER];
        char names[STATES_OF_A_LAYER][NAME_BYTES];
        describe_layer(session, layer, states, names);
        for (size_t i = 0; i < STATES_OF_A_LAYER; i++)
            tensor_to_float(safetensors_find(file, names[i]),
                            (float *)states[i].data);
    }
}

bool cache_restore(Session *session, const char *path, Error *err) {
    Safetensors file;
    size_t position = 0;
    if (!safetensors_open(&file, path, err))
        return false;
    bool ok = read_position(&file, &position, err) &&
              check_states(session, &file, err);
    if (ok) {
        copy_states(session, &file);
        session->position = position;
    }
    safetensors_close(&file);
    return ok;
}

// Copies sequence b's part of a state of `count` numbers for each sequence.
static void copy_part(float *to, size_t to_sequence, const float *from,
                      size_t from_sequence, size_t count) {
    memmove(to + to_sequence * count, from + from_sequence * count,
            count * sizeof *to);
}

void cache_fork(Session *to, size_t to_sequence, const Session *from,
                size_t from_sequence) {
    assert(to->model == from->model);
    assert(to_sequence < to->batch && from_sequence < from->batch);
    const BlockShape *shape = &from->model->shape;
    size_t conv_count = (shape->d_conv - 1) * shape->d_inner;
    size_t ssm_count = shape->d_inner * shape->d_state;
    for (size_t i = 0; i < from->model->config.n_layer; i++) {
        copy_part(to->layers[i].conv_state, to_sequence,
                  from->layers[i].conv_state, from_sequence, conv_count);
        copy_part(to->layers[i].ssm_state, to_sequence,
                  from->layers[i].ssm_state, from_sequence, ssm_count);
    }
    to->position = from->position;
}
