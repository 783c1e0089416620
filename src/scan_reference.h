// The selective scan as the formula says it: the truth for the fast ones.
#ifndef SCAN_REFERENCE_H
#define SCAN_REFERENCE_H

#include "scan.h"

// In float32 throughout, each operation rounded as the official reference does.
bool scan_reference(const Scan *scan, void *workspace, Error *err);

// In double precision, from float32 inputs; y and h are rounded when written.
bool scan_double(const Scan *scan, void *workspace, Error *err);
size_t scan_double_workspace(const Scan *scan);

// The same for a caller who wants every digit: h (batch, d_inner, N) goes in
// and out, y (batch, L, d_inner) comes out; scan->h and scan->y are not used.
void scan_in_double(const Scan *scan, double *h, double *y);

#endif
