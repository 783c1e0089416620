// What a chapter's program prints: named sections, named values, and tables
// for figures. The book weaves sections and values in by their names.
#ifndef REPORT_H
#define REPORT_H

#include "file.h"

// Begins a section: a blank line, then "== name: title".
void section(const char *name, const char *title);

// The same for a section whose numbers are timings of this machine, or follow
// from them: its heading ends in "(measured here)", so that whoever compares
// two runs knows which numbers may differ, and its first line is the value
// measured-on, which says of which machine they are.
void section_measured(const char *name, const char *title);

// One named number with so many significant digits: "name = 0.123".
void value(const char *name, double number, int digits);

// The larger of the two, and NaN once there was one: fmax() would hide it.
double larger(double most, double number);

// The largest |a_i - b_i| of n; NaN where one is.
double largest_difference(const float *a, const float *b, size_t n);

// Prints "what: below bound" for a number that is; an error where it is not, so
// that no program claims what it did not find. A rounding error is printed so,
// because its own digits differ from machine to machine.
bool check_below(const char *what, double number, double bound, Error *err);

// A table for a figure: tab-separated, its first line names the columns.
typedef struct {
    FileWriter file;
    bool open;
} Table;

// Begins directory/name, with its columns' names separated by tabs. Where
// directory is NULL nothing is written, and that is no error.
bool table_begin(Table *table, const char *directory, const char *name,
                 const char *columns, Error *err);

// Adds a row of n numbers.
void table_row(Table *table, const double *numbers, size_t n);

// Finishes the file: whole, or not at all.
bool table_end(Table *table, Error *err);

// Ends a program: its exit status, 0, or 1 after a line on stderr where ok is
// false (err says why) or where standard output could not be written.
int report_end(const char *program, bool ok, Error *err);

#endif
