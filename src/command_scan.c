#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "memory.h"
#include "safetensors.h"

typedef struct {
    const char *backend_name;
    const ScanBackend *backend;
    size_t repeat;
} ScanOptions;

static int parse(ScanOptions *chosen, int argc, char **argv,
                 const char **paths) {
    const Option options[] = {
        {"backend", 'b', OPTION_TEXT, &chosen->backend_name, "NAME",
         "the scan backend (default auto)", 0, 0},
        {"repeat", 'r', OPTION_COUNT, &chosen->repeat, "N",
         "scan N times, and print times (default 1: none)", 1, 1e6},
    };
    const CommandLine line = {
        .program = "minimamba scan",
        .summary = "Reads u, delta (L, D), A (D, N), B, C (L, N), and where "
                   "present D (D), z (L, D),\nh0 (D, N), with or without a "
                   "batch dimension in front; writes y and the last\nstate h.",
        .operand_names = "IN.safetensors OUT.safetensors",
        .n_operands = 2,
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, paths);
    if (status != OPTIONS_CONTINUE)
        return status;
    return command_backend(&line, chosen->backend_name, &chosen->backend);
}

// A scan whose tensors come from a file.
typedef struct {
    Safetensors file;
    Scan scan;
    bool batched;   // the file's tensors have a batch dimension
    float *inputs;  // those that could not stay in the file
    float *h0;      // (batch, d_inner, N): the state to start from
    float *h, *y;
    void *workspace;
} ScanJob;

static void job_free(ScanJob *job) {
    release(job->inputs);
    release(job->h0);
    release(job->h);
    release(job->y);
    release(job->workspace);
    safetensors_close(&job->file);
}

// What a tensor of the file is called, and which shape it must have.
typedef struct {
    const char *name;
    bool required, sequence;  // a sequence has the batch dimension
    size_t rows, columns;     // columns 0: a vector of rows
    const float **target;
} Wanted;

enum { INPUTS = 8 };

// The batch, L, D and N of the file, from u and A.
static bool read_sizes(ScanJob *job, Error *err) {
    const Tensor *u = safetensors_find(&job->file, "u");
    const Tensor *A = safetensors_find(&job->file, "A");
    if (!u || (u->rank != 2 && u->rank != 3))
        return fail(err,
                    "%s: u: wanted shape (L, D) or (batch, L, D), found %s",
                    job->file.path, u ? "another" : "no such tensor");
    if (!A || A->rank != 2)
        return fail(err, "%s: A: wanted shape (D, N), found %s", job->file.path,
                    A ? "another" : "no such tensor");
    job->batched = u->rank == 3;
    job->scan.batch = job->batched ? u->shape[0] : 1;
    job->scan.length = u->shape[u->rank - 2];
    job->scan.d_inner = u->shape[u->rank - 1];
    job->scan.d_state = A->shape[1];
    // A tensor of no numbers may claim any sizes; the states must be countable.
    size_t states;
    if (!multiply_sizes(job->scan.batch, A->count, &states))
        return fail(err, "%s: u: wanted a smaller batch, found %zu",
                    job->file.path, job->scan.batch);
    return true;
}

static void list_inputs(ScanJob *job, const float **h0, Wanted *wanted) {
    Scan *scan = &job->scan;
    size_t L = scan->length, D = scan->d_inner, N = scan->d_state;
    const Wanted list[INPUTS] = {{"u", true, true, L, D, &scan->u},
                                 {"delta", true, true, L, D, &scan->delta},
                                 {"A", true, false, D, N, &scan->A},
                                 {"B", true, true, L, N, &scan->B},
                                 {"C", true, true, L, N, &scan->C},
                                 {"D", false, false, D, 0, &scan->D},
                                 {"z", false, true, L, D, &scan->z},
                                 {"h0", false, true, D, N, h0}};
    memcpy(wanted, list, sizeof list);
}

// Is the tensor there (or may it be missing), real, and of the wanted shape?
static bool check_input(const ScanJob *job, const Wanted *wanted, Error *err) {
    const Tensor *tensor = safetensors_find(&job->file, wanted->name);
    if (!tensor && !wanted->required)
        return true;
    size_t shape[3], rank = 0;
    if (wanted->sequence && job->batched)
        shape[rank++] = job->scan.batch;
    shape[rank++] = wanted->rows;
    if (wanted->columns)
        shape[rank++] = wanted->columns;
    char text[96], found[96] = "no such tensor";
    shape_text(text, sizeof text, shape, rank);
    bool same = tensor && tensor->type != TENSOR_I64 && tensor->rank == rank;
    for (size_t i = 0; same && i < rank; i++)
        same = tensor->shape[i] == shape[i];
    if (same)
        return true;
    if (tensor)
        shape_text(found, sizeof found, tensor->shape, tensor->rank);
    return fail(err, "%s: %s: wanted real numbers of shape %s, found %s%s%s",
                job->file.path, wanted->name, text,
                tensor ? tensor_type_name(tensor->type) : "", tensor ? " " : "",
                found);
}

// Points the scan at its inputs: in the file, or converted.
static bool read_inputs(ScanJob *job, const float **h0, Error *err) {
    Wanted wanted[INPUTS];
    list_inputs(job, h0, wanted);
    size_t converted = 0;
    for (size_t i = 0; i < INPUTS; i++) {
        if (!check_input(job, &wanted[i], err))
            return false;
        const Tensor *tensor = safetensors_find(&job->file, wanted[i].name);
        if (tensor && !tensor_in_place(tensor))
            converted += tensor->count;
    }
    job->inputs = allocate(converted, sizeof(float), "the inputs", err);
    if (!job->inputs)
        return false;
    float *next = job->inputs;
    for (size_t i = 0; i < INPUTS; i++) {
        const Tensor *tensor = safetensors_find(&job->file, wanted[i].name);
        if (!tensor)
            continue;
        *wanted[i].target = tensor_in_place(tensor);
        if (*wanted[i].target)
            continue;
        tensor_to_float(tensor, next);
        *wanted[i].target = next;
        next += tensor->count;
    }
    return true;
}

// How many numbers the states and the outputs have.
static size_t state_count(const Scan *scan) {
    return scan->batch * scan->d_inner * scan->d_state;
}

static size_t output_count(const Scan *scan) {
    return scan->batch * scan->length * scan->d_inner;
}

// Everything the scan needs, from the file at path.
static bool job_read(ScanJob *job, const char *path, const ScanBackend *backend,
                     Error *err) {
    const float *h0 = NULL;
    *job = (ScanJob){0};
    if (!safetensors_open(&job->file, path, err))
        return false;
    bool ok = read_sizes(job, err) && read_inputs(job, &h0, err);
    if (ok) {
        Scan *scan = &job->scan;
        size_t states = state_count(scan);
        job->h0 = allocate(states, sizeof(float), "the first state", err);
        job->h = allocate(states, sizeof(float), "the state", err);
        job->y = allocate(output_count(scan), sizeof(float), "y", err);
        job->workspace = allocate(backend->workspace_bytes(scan), 1,
                                  "the scan's workspace", err);
        ok = job->h0 && job->h && job->y && job->workspace;
        if (ok && h0)
            memcpy(job->h0, h0, states * sizeof *h0);
        scan->h = job->h;
        scan->y = job->y;
    }
    if (!ok)
        job_free(job);
    return ok;
}

static int compare_doubles(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

// Scans `repeat` times, each time from the first state, and prints the times
// where there are several.
static bool job_run(ScanJob *job, const ScanBackend *backend, size_t repeat,
                    Error *err) {
    double *times = allocate(repeat, sizeof *times, "the times", err);
    bool ok = times != NULL;
    for (size_t i = 0; ok && i < repeat; i++) {
        memcpy(job->h, job->h0, state_count(&job->scan) * sizeof *job->h);
        double begin = seconds_now();
        ok = backend->run(&job->scan, job->workspace, err);
        times[i] = 1000 * (seconds_now() - begin);
    }
    if (ok && repeat > 1) {
        qsort(times, repeat, sizeof *times, compare_doubles);
        printf("backend\t%s\nrepeat\t%zu\n", backend->name, repeat);
        printf("least_ms\t%.6g\n", times[0]);
        printf("median_ms\t%.6g\n", times[repeat / 2]);
        printf("most_ms\t%.6g\n", times[repeat - 1]);
    }
    release(times);
    return ok;
}

// y and h, with a batch dimension where the inputs had one.
static bool job_write(const ScanJob *job, const char *path,
                      const ScanBackend *backend, Error *err) {
    const Scan *scan = &job->scan;
    const char *const metadata[] = {"op", "selective_scan", "backend",
                                    backend->name};
    Tensor tensors[] = {{.name = "y",
                         .rank = 3,
                         .shape = {scan->batch, scan->length, scan->d_inner},
                         .count = output_count(scan),
                         .data = job->y},
                        {.name = "h",
                         .rank = 3,
                         .shape = {scan->batch, scan->d_inner, scan->d_state},
                         .count = state_count(scan),
                         .data = job->h}};
    for (size_t i = 0; i < 2 && !job->batched; i++) {
        tensors[i].rank = 2;
        memmove(tensors[i].shape, tensors[i].shape + 1,
                2 * sizeof *tensors[i].shape);
    }
    return safetensors_write(path, tensors, 2, metadata, 2, err);
}

int command_scan(int argc, char **argv) {
    ScanOptions chosen = {.backend_name = "auto", .repeat = 1};
    const char *paths[2];
    int status = parse(&chosen, argc, argv, paths);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    ScanJob job;
    if (!job_read(&job, paths[0], chosen.backend, &err))
        return command_end(false, &err);
    bool ok = job_run(&job, chosen.backend, chosen.repeat, &err) &&
              job_write(&job, paths[1], chosen.backend, &err);
    job_free(&job);
    return command_end(ok, &err);
}
