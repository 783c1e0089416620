#include "golden.h"

#include <criterion/criterion.h>
#include <stdlib.h>

void golden_open(Golden *golden, const char *name) {
    Error err;
    golden->n_copies = 0;
    snprintf(golden->path, sizeof golden->path, "tests/golden/%s.safetensors",
             name);
    if (!safetensors_open(&golden->file, golden->path, &err))
        cr_assert_fail("%s", err.text);
}

void golden_close(Golden *golden) {
    for (size_t i = 0; i < golden->n_copies; i++)
        free(golden->copies[i]);
    safetensors_close(&golden->file);
}

bool golden_has(const Golden *golden, const char *tensor) {
    return safetensors_find(&golden->file, tensor) != NULL;
}

static const Tensor *find(const Golden *golden, const char *name) {
    const Tensor *tensor = safetensors_find(&golden->file, name);
    cr_assert(tensor, "%s: wanted the tensor %s, found none", golden->path,
              name);
    return tensor;
}

size_t golden_size(const Golden *golden, const char *tensor, size_t dimension) {
    const Tensor *found = find(golden, tensor);
    cr_assert(dimension < found->rank,
              "%s: %s: wanted more than %zu dimensions, found %zu",
              golden->path, tensor, dimension, found->rank);
    return found->shape[dimension];
}

// A copy of the tensor's bytes, each number size bytes wide.
static const void *copy(Golden *golden, const char *name, TensorType type,
                        size_t size) {
    const Tensor *tensor = find(golden, name);
    cr_assert(tensor->type == type, "%s: %s: wanted %s, found %s", golden->path,
              name, tensor_type_name(type), tensor_type_name(tensor->type));
    cr_assert(golden->n_copies < GOLDEN_MOST_COPIES,
              "%s: wanted at most %d copies", golden->path, GOLDEN_MOST_COPIES);
    void *numbers = malloc(tensor->count * size);
    cr_assert(numbers, "%s: %s: no memory", golden->path, name);
    memcpy(numbers, tensor->data, tensor->count * size);
    return golden->copies[golden->n_copies++] = numbers;
}

const float *golden_floats(Golden *golden, const char *tensor) {
    return copy(golden, tensor, TENSOR_F32, sizeof(float));
}

const double *golden_doubles(Golden *golden, const char *tensor) {
    return copy(golden, tensor, TENSOR_F64, sizeof(double));
}

const int64_t *golden_integers(Golden *golden, const char *tensor) {
    return copy(golden, tensor, TENSOR_I64, sizeof(int64_t));
}

double golden_metadata(const Golden *golden, const char *key) {
    const char *text = safetensors_metadata(&golden->file, key);
    cr_assert(text, "%s: wanted the metadata %s, found none", golden->path,
              key);
    return strtod(text, NULL);
}
