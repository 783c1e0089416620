// The associative operator of the scan, which makes it parallel in time.
#ifndef SCAN_OPERATOR_H
#define SCAN_OPERATOR_H

// One step, or several joined: the map h -> a h + b.
typedef struct {
    float a, b;
} ScanElement;

// First one map, then the other, as one map (Blelloch 1990, section 1.4.1):
//     a2 (a1 h + b1) + b2 = (a2 a1) h + (a2 b1 + b2)
// Associative, not commutative. The identity is {1, 0}.
static inline ScanElement scan_join(ScanElement first, ScanElement then) {
    return (ScanElement){.a = then.a * first.a, .b = then.a * first.b + then.b};
}

#endif
