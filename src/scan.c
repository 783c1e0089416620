#include "scan.h"

#include <stdio.h>
#include <string.h>

#include "scan_cpu.h"
#include "scan_parallel.h"
#include "scan_reference.h"
#include "scan_tree.h"

static bool always_usable(Error *why_not) {
    (void)why_not;
    return true;
}

static size_t no_workspace(const Scan *scan) {
    (void)scan;
    return 0;
}

static const ScanBackend reference = {
    "reference", "the formula, in single precision, one thread", always_usable,
    no_workspace, scan_reference};
static const ScanBackend double_precision = {
    "double", "the formula, in double precision, one thread", always_usable,
    scan_double_workspace, scan_double};
static const ScanBackend cpu = {
    "cpu", "sequential in time, fused, threads over channels", always_usable,
    scan_cpu_workspace, scan_cpu};
static const ScanBackend parallel = {
    "parallel", "chunks of time at once, joined by their carries",
    always_usable, scan_parallel_workspace, scan_parallel};
static const ScanBackend automatic = {
    "auto", "cpu, or parallel where channels are too few", always_usable,
    scan_auto_workspace, scan_auto};
static const ScanBackend tree = {
    "tree", "the work-efficient tree of chapter 4, one thread", always_usable,
    scan_tree_workspace, scan_tree};

static bool cuda_usable(Error *why_not) {
    return fail(why_not, "this build has no GPU code; use cpu or parallel");
}

static const ScanBackend cuda = {"cuda", "on an NVIDIA GPU", cuda_usable, NULL,
                                 NULL};

const ScanBackend *const scan_backends[] = {
    &automatic, &cpu, &parallel, &reference, &double_precision, &tree, &cuda};
const size_t n_scan_backends = sizeof scan_backends / sizeof *scan_backends;

// Lists the names of the backends that can run here.
static void usable_names(char *names, size_t size) {
    Error why_not;
    size_t used = 0;
    names[0] = '\0';
    for (size_t i = 0; i < n_scan_backends && used < size; i++)
        if (scan_backends[i]->usable(&why_not))
            used += (size_t)snprintf(names + used, size - used, "%s%s",
                                     used ? ", " : "", scan_backends[i]->name);
}

const ScanBackend *scan_backend(const char *name, Error *err) {
    for (size_t i = 0; i < n_scan_backends; i++) {
        if (strcmp(scan_backends[i]->name, name) != 0)
            continue;
        Error why_not;
        if (scan_backends[i]->usable(&why_not))
            return scan_backends[i];
        fail(err, "backend: wanted %s, found that %s", name, why_not.text);
        return NULL;
    }
    char names[256];
    usable_names(names, sizeof names);
    fail(err, "backend: wanted one of %s, found '%s'", names, name);
    return NULL;
}
