#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "provenance.h"

void section(const char *name, const char *title) {
    printf("\n== %s: %s\n", name, title);
}

void section_measured(const char *name, const char *title) {
    char where[256];
    provenance(where, sizeof where);
    printf("\n== %s: %s (measured here)\n", name, title);
    printf("measured-on = %s\n", where);
}

void value(const char *name, double number, int digits) {
    printf("%s = %.*g\n", name, digits, number);
}

double larger(double most, double number) {
    return number > most || isnan(number) ? number : most;
}

double largest_difference(const float *a, const float *b, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = larger(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

bool check_below(const char *what, double number, double bound, Error *err) {
    if (!(number < bound))
        return fail(err, "%s: wanted below %g, found %g", what, bound, number);
    printf("%s: below %g\n", what, bound);
    return true;
}

bool table_begin(Table *table, const char *directory, const char *name,
                 const char *columns, Error *err) {
    table->open = false;
    if (!directory)
        return true;
    char path[PATH_BYTES];
    if (!directory_make(directory, err) ||
        !path_join(path, directory, name, err) ||
        !file_begin(&table->file, path, err))
        return false;
    fprintf(table->file.stream, "%s\n", columns);
    table->open = true;
    return true;
}

void table_row(Table *table, const double *numbers, size_t n) {
    if (!table->open)
        return;
    for (size_t i = 0; i < n; i++)
        fprintf(table->file.stream, "%s%.9g", i ? "\t" : "", numbers[i]);
    fputc('\n', table->file.stream);
}

bool table_end(Table *table, Error *err) {
    if (!table->open)
        return true;
    table->open = false;
    return file_commit(&table->file, err);
}

int report_end(const char *program, bool ok, Error *err) {
    if (fflush(stdout) != 0 || ferror(stdout))
        if (ok)
            ok = fail(err, "standard output: wanted to write, found: %s",
                      strerror(errno ? errno : EIO));
    if (!ok)
        fprintf(stderr, "%s: %s\n", program, err->text);
    return ok ? 0 : 1;
}
