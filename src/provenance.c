#include "provenance.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

// The Makefile says with which flags it compiles.
#ifndef BUILD_FLAGS
#define BUILD_FLAGS "unknown flags"
#endif

enum { NAME_BYTES = 128 };

// Removes every `mark` from the text.
static void without(char *text, const char *mark) {
    for (char *at; (at = strstr(text, mark));)
        memmove(at, at + strlen(mark), strlen(at + strlen(mark)) + 1);
}

// The processor's name as Linux knows it on x86; elsewhere the architecture.
static void processor(char name[NAME_BYTES]) {
    struct utsname system;
    snprintf(name, NAME_BYTES, "%s",
             uname(&system) == 0 ? system.machine : "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[512];
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %127[^@\n]", name) == 1)
            break;
    fclose(file);
    without(name, "(R)");
    without(name, "(TM)");
    without(name, " CPU");
    for (size_t n = strlen(name); n > 0 && name[n - 1] == ' '; n--)
        name[n - 1] = '\0';
}

static void compiler(char name[NAME_BYTES]) {
#if defined(__clang__)
    snprintf(name, NAME_BYTES, "clang %d.%d.%d", __clang_major__,
             __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
    snprintf(name, NAME_BYTES, "gcc %d.%d.%d", __GNUC__, __GNUC_MINOR__,
             __GNUC_PATCHLEVEL__);
#else
    snprintf(name, NAME_BYTES, "unknown compiler");
#endif
}

void provenance(char *text, size_t size) {
    char machine[NAME_BYTES], with[NAME_BYTES], date[16] = "unknown date";
    processor(machine);
    compiler(with);
    time_t now = time(NULL);
    struct tm today;
    if (gmtime_r(&now, &today))
        strftime(date, sizeof date, "%Y-%m-%d", &today);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(text, size, "%s, %ld core%s; %s %s; %s", machine, cores,
             cores == 1 ? "" : "s", with, BUILD_FLAGS, date);
}
