// Chapter 6: which tensors a Mamba of a configuration has, by official name.
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include "config.h"

typedef enum {
    PARAMETER_EMBEDDING,
    PARAMETER_NORM,
    PARAMETER_IN_PROJ_WEIGHT,
    PARAMETER_IN_PROJ_BIAS,
    PARAMETER_CONV1D_WEIGHT,
    PARAMETER_CONV1D_BIAS,
    PARAMETER_X_PROJ_WEIGHT,
    PARAMETER_DT_PROJ_WEIGHT,
    PARAMETER_DT_PROJ_BIAS,
    PARAMETER_A_LOG,
    PARAMETER_D,
    PARAMETER_OUT_PROJ_WEIGHT,
    PARAMETER_OUT_PROJ_BIAS,
    PARAMETER_NORM_F,
    PARAMETER_LM_HEAD,
} ParameterRole;

// One tensor: its name in a checkpoint, what it is for, and its shape.
typedef struct {
    char name[64];
    ParameterRole role;
    size_t layer;  // of the roles that every layer has
    size_t rank;
    size_t shape[3];
    size_t count;  // of numbers
} Parameter;

// Is a tensor of this role a matrix that linear() multiplies by, or looks rows
// up in? Such a one may be kept in fewer bits.
bool parameter_is_matrix(ParameterRole role);

// How many tensors the model has: those that the configuration does without
// (biases, an untied head) are not among them.
size_t parameter_tensors(const Config *config);

// All of them in the order of the computation; list has parameter_tensors().
void parameter_list(const Config *config, Parameter *list);

// How many numbers the model has, a tied head counted once.
size_t parameter_total(const Config *config);

// Bytes of memory for them, with the matrices kept as this type.
size_t parameter_bytes(const Config *config, MatrixType weights);

#endif
