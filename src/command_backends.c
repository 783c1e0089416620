#include <stdio.h>

#include "command.h"

int command_backends(int argc, char **argv) {
    const CommandLine line = {
        .program = "minimamba backends",
        .summary = "Lists the scan backends: name, whether it can run here, "
                   "and what it is,\nor why not."};
    int status = options_parse(&line, argc, argv, NULL);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    for (size_t i = 0; i < n_scan_backends; i++) {
        const ScanBackend *backend = scan_backends[i];
        bool usable = backend->usable(&err);
        printf("%s\t%s\t%s\n", backend->name, usable ? "yes" : "no",
               usable ? backend->summary : err.text);
    }
    return command_end(true, &err);
}
