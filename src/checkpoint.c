#include "checkpoint.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config_json.h"
#include "embedded_model.h"
#include "memory.h"

// Of each converted tensor: a cache line.
enum { ALIGNMENT = 64 };

// A tensor of the file by its name; the original format calls the embedding
// "embedding" where transformers has "embeddings".
static const Tensor *find_tensor(const Safetensors *file,
                                 const Parameter *parameter) {
    const Tensor *tensor = safetensors_find(file, parameter->name);
    if (!tensor && parameter->role == PARAMETER_EMBEDDING)
        tensor = safetensors_find(file, "backbone.embedding.weight");
    return tensor;
}

// The tensor is there, holds real numbers, and has the wanted shape.
static bool check_tensor(const Safetensors *file, const Parameter *parameter,
                         Error *err) {
    const Tensor *tensor = find_tensor(file, parameter);
    if (!tensor)
        return fail(err, "%s: %s: wanted this tensor, found none", file->path,
                    parameter->name);
    if (tensor->type == TENSOR_I64)
        return fail(err, "%s: %s: wanted real numbers, found I64", file->path,
                    parameter->name);
    bool same = tensor->rank == parameter->rank;
    for (size_t i = 0; same && i < tensor->rank; i++)
        same = tensor->shape[i] == parameter->shape[i];
    if (same)
        return true;
    char wanted[96], found[96];
    shape_text(wanted, sizeof wanted, parameter->shape, parameter->rank);
    shape_text(found, sizeof found, tensor->shape, tensor->rank);
    return fail(err, "%s: %s: wanted shape %s, found %s", file->path,
                parameter->name, wanted, found);
}

// Is this one of the listed tensors?
static bool is_listed(const Safetensors *file, const Parameter *list, size_t n,
                      const Tensor *tensor) {
    for (size_t i = 0; i < n; i++)
        if (find_tensor(file, &list[i]) == tensor)
            return true;
    return false;
}

// The file has the n listed tensors, the first of which is the embedding, and
// none besides; a tied head may be there a second time.
static bool check_list(const Safetensors *file, const Config *config,
                       const Parameter *list, size_t n, Error *err) {
    for (size_t i = 0; i < n; i++)
        if (!check_tensor(file, &list[i], err))
            return false;

    Parameter head = list[0];
    snprintf(head.name, sizeof head.name, "lm_head.weight");
    head.role = PARAMETER_LM_HEAD;
    const Tensor *tied =
        config->tie_embeddings ? find_tensor(file, &head) : NULL;
    if (tied && !check_tensor(file, &head, err))
        return false;

    if (file->count == n + (tied != NULL))
        return true;
    for (size_t i = 0; i < file->count; i++) {
        const Tensor *tensor = &file->tensors[i];
        if (tensor != tied && !is_listed(file, list, n, tensor))
            return fail(err,
                        "%s: %s: wanted only tensors of this configuration, "
                        "found this one too",
                        file->path, tensor->name);
    }
    return true;
}

// The file's tensors are those of the configuration. Nothing of the model's
// size is allocated before that is known: a configuration may lie.
static bool check_tensors(const Safetensors *file, const Config *config,
                          Error *err) {
    size_t n = parameter_tensors(config);
    Parameter *list = allocate(n, sizeof *list, "tensor names", err);
    if (!list)
        return false;
    parameter_list(config, list);
    bool ok = check_list(file, config, list, n, err);
    release(list);
    return ok;
}

// What tensor i is kept as.
static MatrixType kept_as(const Model *model, size_t i) {
    bool matrix = parameter_is_matrix(model->parameters[i].role);
    return matrix ? model->weights : MATRIX_F32;
}

// The numbers of a tensor where they are; NULL where they must be converted.
static const void *in_place(const Tensor *tensor, MatrixType type) {
    if (type == MATRIX_F32)
        return tensor_in_place(tensor);
    bool aligned = (uintptr_t)tensor->data % sizeof(uint16_t) == 0;
    bool same = type == MATRIX_BF16 && tensor->type == TENSOR_BF16;
    return same && aligned ? tensor->data : NULL;
}

// Bytes of our own that tensor i wants, aligned; 0 where it stays in the file.
static size_t own_bytes(const Model *model, size_t i) {
    const Parameter *parameter = &model->parameters[i];
    MatrixType type = kept_as(model, i);
    if (in_place(find_tensor(&model->file, parameter), type))
        return 0;
    size_t bytes = parameter->count * sizeof(float);
    if (type != MATRIX_F32)
        bytes = matrix_bytes(type, parameter->shape[0], parameter->shape[1]);
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

// A matrix into memory, row by row; `row` has room for one.
static bool convert_matrix(const Model *model, size_t i, const Tensor *tensor,
                           void *memory, float *row, Error *err) {
    const Parameter *parameter = &model->parameters[i];
    size_t out = parameter->shape[0], in = parameter->shape[1];
    for (size_t o = 0; o < out; o++) {
        Tensor part = tensor_part(tensor, o * in, in);
        tensor_to_float(&part, row);
        if (matrix_write_row(model->weights, memory, out, in, o, row))
            continue;
        size_t k = 0;
        while (isfinite(row[k]))
            k++;
        return fail(err,
                    "%s: %s: wanted finite numbers for %s, found %g at index "
                    "%zu",
                    model->name, parameter->name,
                    matrix_type_name(model->weights), (double)row[k],
                    o * in + k);
    }
    return true;
}

// Tensor i: in the file where it can stay, else converted into memory.
static bool fill_tensor(Model *model, size_t i, void *memory, float *row,
                        Error *err) {
    const Parameter *parameter = &model->parameters[i];
    const Tensor *tensor = find_tensor(&model->file, parameter);
    MatrixType type = kept_as(model, i);
    const void *kept = in_place(tensor, type);
    if (type == MATRIX_F32) {
        if (!kept)
            tensor_to_float(tensor, memory);
        model->numbers[i] = kept ? kept : memory;
        return true;
    }
    if (!kept && !convert_matrix(model, i, tensor, memory, row, err))
        return false;
    model->matrices[i] = matrix_at(type, kept ? kept : memory,
                                   parameter->shape[0], parameter->shape[1]);
    return true;
}

// All tensors of the file into the model.
static bool fill_tensors(Model *model, Error *err) {
    size_t bytes = 0, longest = 0;
    for (size_t i = 0; i < model->n_parameters; i++) {
        bytes += own_bytes(model, i);
        size_t columns = model->parameters[i].shape[1];
        if (kept_as(model, i) != MATRIX_F32 && columns > longest)
            longest = columns;
    }
    model->storage = allocate(bytes, 1, "converted weights", err);
    float *row = allocate(longest, sizeof *row, "a row of weights", err);
    char *memory = (char *)model->storage;
    bool ok = model->storage && row;
    for (size_t i = 0; ok && i < model->n_parameters; i++) {
        ok = fill_tensor(model, i, memory, row, err);
        memory += own_bytes(model, i);
    }
    release(row);
    return ok;
}

// From an open file of weights, which becomes the model's, also on failure.
static bool model_from_file(Model *model, const Config *config,
                            Safetensors *file, MatrixType weights, Error *err) {
    if (!check_tensors(file, config, err) ||
        !model_new(model, config, file->path, err)) {
        safetensors_close(file);
        return false;
    }
    model->file = *file;
    model->file.path = model->name;
    model->weights = weights;
    if (!fill_tensors(model, err)) {
        model_free(model);
        return false;
    }
    model_bind(model);
    return true;
}

static bool load_embedded(Model *model, MatrixType weights, Error *err) {
    Config config;
    Safetensors file;
    return config_read(&config, "built-in config.json", embedded_config,
                       (size_t)embedded_config_size, err) &&
           safetensors_read(&file, "built-in model.safetensors",
                            embedded_weights, (size_t)embedded_weights_size,
                            err) &&
           model_from_file(model, &config, &file, weights, err);
}

static bool read_config_file(Config *config, const char *directory,
                             Error *err) {
    char path[PATH_BYTES];
    FileView view;
    if (!path_join(path, directory, "config.json", err) ||
        !file_map(&view, path, err))
        return false;
    bool ok = config_read(config, path, view.bytes, view.size, err);
    file_unmap(&view);
    return ok;
}

bool model_load(Model *model, const char *directory, MatrixType weights,
                Error *err) {
    *model = (Model){0};
    if (!directory)
        return load_embedded(model, weights, err);

    Config config;
    char path[PATH_BYTES], index[PATH_BYTES], tokenizer[PATH_BYTES];
    if (!read_config_file(&config, directory, err) ||
        !path_join(path, directory, "model.safetensors", err) ||
        !path_join(index, directory, "model.safetensors.index.json", err) ||
        !path_join(tokenizer, directory, "tokenizer.json", err))
        return false;
    if (!file_exists(path) && file_exists(index))
        return fail(err,
                    "%s: wanted one file of weights, found shards (which are "
                    "not joined here)",
                    path);

    Safetensors file;
    if (!safetensors_open(&file, path, err) ||
        !model_from_file(model, &config, &file, weights, err))
        return false;
    model->tokenizer_file = file_exists(tokenizer);
    return true;
}

bool model_save(const Model *model, const char *directory, Error *err) {
    static const char *const metadata[] = {"format", "pt"};
    assert(model->weights == MATRIX_F32);
    char weights[PATH_BYTES], config[PATH_BYTES];
    if (!path_join(weights, directory, "model.safetensors", err) ||
        !path_join(config, directory, "config.json", err) ||
        !directory_make(directory, err))
        return false;
    Tensor *tensors =
        allocate(model->n_parameters, sizeof *tensors, "tensors", err);
    if (!tensors)
        return false;
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        tensors[i] = (Tensor){.name = parameter->name,
                              .type = TENSOR_F32,
                              .rank = parameter->rank,
                              .count = parameter->count,
                              .data = model->numbers[i]};
        memcpy(tensors[i].shape, parameter->shape, sizeof parameter->shape);
    }
    // The configuration last: without it the directory is no model yet.
    bool ok = safetensors_write(weights, tensors, model->n_parameters, metadata,
                                1, err) &&
              config_write(&model->config, config, err);
    release(tensors);
    return ok;
}
