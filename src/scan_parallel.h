// The scan parallel in time: chunks at once, joined by their carries.
#ifndef SCAN_PARALLEL_H
#define SCAN_PARALLEL_H

#include "scan.h"

// Three passes: every chunk is summarised as one map h -> a h + b; the maps are
// applied in order, which gives every chunk the state it starts from; every
// chunk is scanned from there. The chunks depend on the length alone, so any
// number of threads gives the same bits. Twice the exponentials of scan_cpu(),
// for when there are more than twice as many threads as strips of channels.
bool scan_parallel(const Scan *scan, void *workspace, Error *err);
size_t scan_parallel_workspace(const Scan *scan);

#endif
