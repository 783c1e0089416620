// The work-efficient tree scan (Blelloch 1990): parallel in log L steps.
#ifndef SCAN_TREE_H
#define SCAN_TREE_H

#include "scan.h"
#include "scan_operator.h"

// One level of the way up: pairs `reach` apart are joined, the right one
// keeps the join. n is a power of two; reach goes 1, 2, 4 .. n/2.
void scan_tree_up(ScanElement *nodes, size_t n, size_t reach);

// One level of the way down: each right node gets what stands before it, the
// left one passes its parent's on. reach goes n/2 .. 4, 2, 1. Before the first
// level the last node must be the identity.
void scan_tree_down(ScanElement *nodes, size_t n, size_t reach);

// Up and down: node i becomes the join of all nodes before it, without its own.
void scan_tree_exclusive(ScanElement *nodes, size_t n);

// The selective scan, state by state, each by a tree over the whole length.
bool scan_tree(const Scan *scan, void *workspace, Error *err);
size_t scan_tree_workspace(const Scan *scan);

#endif
