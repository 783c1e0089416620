#include "checkpoint.h"

#include <string.h>

#include "config_json.h"
#include "embedded_model.h"
#include "memory.h"

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

// Is this one of the model's tensors?
static bool is_parameter(const Model *model, const Tensor *tensor) {
    for (size_t i = 0; i < model->n_parameters; i++)
        if (find_tensor(&model->file, &model->parameters[i]) == tensor)
            return true;
    return false;
}

// The file has no tensor besides; a tied head may be there a second time.
static bool check_no_other(const Model *model, Error *err) {
    const Safetensors *file = &model->file;
    const Tensor *tied = model->config.tie_embeddings
                             ? safetensors_find(file, "lm_head.weight")
                             : NULL;
    if (file->count == model->n_parameters + (tied != NULL))
        return true;
    for (size_t i = 0; i < file->count; i++) {
        const Tensor *tensor = &file->tensors[i];
        if (tensor != tied && !is_parameter(model, tensor))
            return fail(err,
                        "%s: %s: wanted only tensors of this configuration, "
                        "found this one too",
                        file->path, tensor->name);
    }
    return true;
}

// model->numbers: in the file where they can stay, else converted.
static bool fill_numbers(Model *model, Error *err) {
    size_t converted = 0;
    for (size_t i = 0; i < model->n_parameters; i++)
        if (!tensor_in_place(find_tensor(&model->file, &model->parameters[i])))
            converted += model->parameters[i].count;
    model->storage =
        allocate(converted, sizeof(float), "converted weights", err);
    if (!model->storage)
        return false;

    float *numbers = model->storage;
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Tensor *tensor = find_tensor(&model->file, &model->parameters[i]);
        model->numbers[i] = tensor_in_place(tensor);
        if (model->numbers[i])
            continue;
        tensor_to_float(tensor, numbers);
        model->numbers[i] = numbers;
        numbers += tensor->count;
    }
    return true;
}

// From an open file of weights, which becomes the model's, also on failure.
static bool model_from_file(Model *model, const Config *config,
                            Safetensors *file, Error *err) {
    const char *path = file->path;
    if (!model_new(model, config, path, err)) {
        safetensors_close(file);
        return false;
    }
    model->file = *file;
    model->file.path = model->name;
    bool ok = true;
    for (size_t i = 0; ok && i < model->n_parameters; i++)
        ok = check_tensor(&model->file, &model->parameters[i], err);
    ok = ok && check_no_other(model, err) && fill_numbers(model, err);
    if (ok)
        model_bind(model);
    else
        model_free(model);
    return ok;
}

static bool load_embedded(Model *model, Error *err) {
    Config config;
    Safetensors file;
    return config_read(&config, "built-in config.json", embedded_config,
                       (size_t)embedded_config_size, err) &&
           safetensors_read(&file, "built-in model.safetensors",
                            embedded_weights, (size_t)embedded_weights_size,
                            err) &&
           model_from_file(model, &config, &file, err);
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

bool model_load(Model *model, const char *directory, Error *err) {
    *model = (Model){0};
    if (!directory)
        return load_embedded(model, err);

    Config config;
    char weights[PATH_BYTES], index[PATH_BYTES], tokenizer[PATH_BYTES];
    if (!read_config_file(&config, directory, err) ||
        !path_join(weights, directory, "model.safetensors", err) ||
        !path_join(index, directory, "model.safetensors.index.json", err) ||
        !path_join(tokenizer, directory, "tokenizer.json", err))
        return false;
    if (!file_exists(weights) && file_exists(index))
        return fail(err,
                    "%s: wanted one file of weights, found shards (this "
                    "edition does not join them)",
                    weights);

    Safetensors file;
    if (!safetensors_open(&file, weights, err) ||
        !model_from_file(model, &config, &file, err))
        return false;
    model->tokenizer_file = file_exists(tokenizer);
    return true;
}

bool model_save(const Model *model, const char *directory, Error *err) {
    static const char *const metadata[] = {"format", "pt"};
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
