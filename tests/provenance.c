// The line that says where a measurement comes from.
#include "provenance.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROOM = 256 };

Test(provenance, names_processor_compiler_flags_and_date) {
    char text[ROOM];
    provenance(text, sizeof text);

    // Three parts, with "; " between them.
    char *compiler = strstr(text, "; ");
    cr_assert(compiler, "found one part: %s", text);
    char *date = strstr(compiler + 2, "; ");
    cr_assert(date, "found two parts: %s", text);
    cr_assert_null(strstr(date + 2, "; "), "found four parts: %s", text);

    *compiler = *date = '\0';
    const char *cores = strrchr(text, ',');
    unsigned count;
    cr_assert(cores && cores > text, "found no processor: %s", text);
    cr_assert(sscanf(cores, ", %u core", &count) == 1 && count > 0, "%s", text);
    cr_assert(strstr(compiler + 2, "gcc ") || strstr(compiler + 2, "clang "),
              "found another compiler: %s", compiler + 2);
}

Test(provenance, knows_the_flags_of_the_build) {
    char text[ROOM];
    provenance(text, sizeof text);
    cr_assert(strstr(text, " -O"), "found no optimisation: %s", text);
    cr_assert_null(strstr(text, "unknown"), "%s", text);
}

Test(provenance, has_the_date_of_today) {
    char text[ROOM], before[16], after[16];
    time_t now = time(NULL);
    strftime(before, sizeof before, "%Y-%m-%d", gmtime(&now));
    provenance(text, sizeof text);
    now = time(NULL);
    strftime(after, sizeof after, "%Y-%m-%d", gmtime(&now));

    // Midnight may pass between the two.
    const char *date = text + strlen(text) - strlen(before);
    cr_assert(strcmp(date, before) == 0 || strcmp(date, after) == 0, "%s",
              text);
}

Test(provenance, is_cut_to_the_room_there_is) {
    char text[8];
    memset(text, 'x', sizeof text);
    provenance(text, 5);
    cr_assert_eq(strlen(text), 4);
    cr_assert_eq(text[5], 'x');
}
