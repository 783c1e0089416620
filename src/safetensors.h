// Chapter 6: safetensors files, named tensors behind a JSON header.
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include <stddef.h>

#include "file.h"

// What a tensor's numbers are stored as: the types a Mamba comes in, and those
// of our golden files. A file with any other type is refused.
typedef enum {
    TENSOR_F32,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_F64,
    TENSOR_I64,
} TensorType;

enum { TENSOR_MOST_DIMENSIONS = 8 };

// One named tensor, its numbers in row-major order.
typedef struct {
    const char *name;
    TensorType type;
    size_t rank;
    size_t shape[TENSOR_MOST_DIMENSIONS];
    size_t count;      // of numbers: the product of the shape
    const void *data;  // (shape), little-endian, aligned as the file has it
} Tensor;

// An open file: its tensors in the order of their names.
typedef struct {
    const char *path;  // for messages; the caller keeps it alive
    Tensor *tensors;   // (count)
    size_t count;
    FileView view;  // the mapped file; empty for safetensors_read()
    void *header;   // the parsed header, which owns the names
} Safetensors;

// Maps and checks a file. Every byte is accounted for: a header that lies
// about sizes, overlaps, holes, trailing bytes, unknown types or duplicate
// names is an error that names the file and the tensor.
bool safetensors_open(Safetensors *file, const char *path, Error *err);

// The same for a file that is already in memory, and stays there. The name
// stands in messages.
bool safetensors_read(Safetensors *file, const char *name, const void *bytes,
                      size_t size, Error *err);

void safetensors_close(Safetensors *file);

// The tensor of this name, or NULL.
const Tensor *safetensors_find(const Safetensors *file, const char *name);

// The __metadata__ entry of this key, or NULL.
const char *safetensors_metadata(const Safetensors *file, const char *key);

// The numbers of an F32 tensor where they are, (count); NULL where they must be
// converted or moved, because of another type or bytes that are not aligned.
const float *tensor_in_place(const Tensor *tensor);

// The numbers of an F32, F16, BF16 or F64 tensor as float32, (count). False for
// I64, which is not a weight.
bool tensor_to_float(const Tensor *tensor, float *numbers);

// Numbers [first, first + count) of a tensor, as one without a name.
Tensor tensor_part(const Tensor *tensor, size_t first, size_t count);

// Writes the tensors (in this order) and pairs of metadata, key and value in
// turn, to a file that is whole or not there.
bool safetensors_write(const char *path, const Tensor *tensors, size_t count,
                       const char *const *metadata, size_t n_pairs, Error *err);

// The type's name in a header: "F32".
const char *tensor_type_name(TensorType type);

// "(2, 128, 16)": a shape for messages.
void shape_text(char *text, size_t size, const size_t *shape, size_t rank);

#endif
