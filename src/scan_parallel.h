// The scan parallel in time: chunks at once, joined by their carries.
#ifndef SCAN_PARALLEL_H
#define SCAN_PARALLEL_H

#include "scan.h"

// Three passes. Every chunk is scanned, all but the first from h = 0; that also
// says what it does to any other state, as one map h -> a h + b. The maps are
// applied in order, which gives every chunk the state it should have started
// from. That state's share, faded as time goes, is added to the chunk's
// results, until nothing is left of it. The chunks depend on the length alone,
// so any number of threads gives the same bits.
// Of an infinite state, what scan_cpu() leaves infinite may become NaN here.
bool scan_parallel(const Scan *scan, void *workspace, Error *err);
size_t scan_parallel_workspace(const Scan *scan);

// The backend "auto": scan_parallel() where this machine has more processors
// than scan_cpu() has work for, scan_cpu() elsewhere.
bool scan_auto(const Scan *scan, void *workspace, Error *err);
size_t scan_auto_workspace(const Scan *scan);

// Which of the two that is, for this many processors.
bool scan_parallel_is_faster(const Scan *scan, size_t processors);

#endif
