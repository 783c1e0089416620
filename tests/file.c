// Files: mapped whole, written whole or not at all.
#include "file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "failing_memory.h"

// --- A directory for each test -----------------------------------------------

static char directory[200];

static void make_directory(void) {
    const char *place = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/minimamba-test-XXXXXX",
             place ? place : "/tmp");
    cr_assert(mkdtemp(directory), "cannot make %s", directory);
}

// How many entries the directory has; all of them are removed where asked.
static size_t entries(bool remove_them) {
    size_t count = 0;
    DIR *stream = opendir(directory);
    cr_assert(stream);
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        count++;
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (remove_them)
            remove(path);
    }
    closedir(stream);
    return count;
}

static void remove_directory(void) {
    entries(true);
    rmdir(directory);
    nothing_leaks();
}

TestSuite(file, .init = make_directory, .fini = remove_directory);

// The path of a name in the directory, good until the next call.
static const char *in_directory(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(in_directory(name), "wb");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

// The file holds this text and nothing else.
static void check_text(const char *name, const char *wanted) {
    char found[4096];
    FILE *file = fopen(in_directory(name), "rb");
    cr_assert(file, "%s: wanted a file, found none", name);
    size_t length = fread(found, 1, sizeof found - 1, file);
    found[length] = '\0';
    fclose(file);
    cr_assert_str_eq(found, wanted);
}

// --- Paths -------------------------------------------------------------------

Test(file, paths_join) {
    char path[PATH_BYTES];
    Error err;
    cr_assert(path_join(path, "a/b", "c", &err));
    cr_assert_str_eq(path, "a/b/c");
}

// The longest path has PATH_BYTES - 1 letters: '/' and "c" are two of them.
Test(file, paths_that_are_too_long_do_not_join) {
    char path[PATH_BYTES], long_name[PATH_BYTES];
    Error err;
    memset(long_name, 'x', sizeof long_name);
    long_name[PATH_BYTES - 3] = '\0';
    cr_assert(path_join(path, long_name, "c", &err));
    cr_assert_eq(strlen(path), PATH_BYTES - 1);

    cr_assert(!path_join(path, long_name, "cc", &err));
    cr_assert(strstr(err.text, "path: wanted at most 4095 bytes, found 4096"));
}

Test(file, exists_or_not) {
    put("there", "");
    cr_assert(file_exists(in_directory("there")));
    cr_assert(file_exists(directory));
    cr_assert(!file_exists(in_directory("not there")));
}

Test(file, directories_are_made_or_found) {
    Error err;
    cr_assert(directory_make(in_directory("new"), &err));
    struct stat status;
    cr_assert(stat(in_directory("new"), &status) == 0);
    cr_assert(S_ISDIR(status.st_mode));
    cr_assert(directory_make(in_directory("new"), &err));

    put("a file", "text");
    cr_assert(!directory_make(in_directory("a file"), &err));
    cr_assert(strstr(err.text, in_directory("a file")));
    check_text("a file", "text");
    cr_assert(!directory_make(in_directory("no/parent"), &err));
    cr_assert(strstr(err.text, "No such file"));
    cr_assert(!directory_make("", &err));
    cr_assert_str_eq(err.text, "directory: wanted a name, found an empty one");
}

// --- Reading -----------------------------------------------------------------

Test(file, is_mapped_byte_by_byte) {
    enum { SIZE = 100001 };  // more than one page, and not whole pages
    unsigned char *bytes = malloc(SIZE);
    Random random = random_from_seed(5);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)random_bits(&random);
    FILE *file = fopen(in_directory("bytes"), "wb");
    cr_assert_eq(fwrite(bytes, 1, SIZE, file), SIZE);
    fclose(file);

    FileView view;
    Error err;
    cr_assert(file_map(&view, in_directory("bytes"), &err));
    cr_assert_eq(view.size, SIZE);
    cr_assert_eq(memcmp(view.bytes, bytes, SIZE), 0);
    file_unmap(&view);
    cr_assert_null(view.bytes);
    cr_assert_eq(view.size, 0);
    free(bytes);
}

Test(file, that_is_empty_has_no_bytes) {
    put("empty", "");
    FileView view = {.size = 7};
    Error err;
    cr_assert(file_map(&view, in_directory("empty"), &err));
    cr_assert_eq(view.size, 0);
    cr_assert_null(view.bytes);
    file_unmap(&view);
}

// What is at the path cannot be mapped, and why.
static void refuses_to_map(const char *path, const char *why) {
    FileView view = {.size = 7};
    Error err;
    cr_assert(!file_map(&view, path, &err));
    cr_assert(strncmp(err.text, path, strlen(path)) == 0,
              "wanted a line about %s, found %s", path, err.text);
    cr_assert(strstr(err.text, why), "wanted '%s', found: %s", why, err.text);
    cr_assert_eq(view.size, 0);
    cr_assert_null(view.bytes);
}

Test(file, only_regular_files_are_mapped, .timeout = 10) {
    refuses_to_map(in_directory("missing"), "No such file");
    refuses_to_map(directory, "found a directory");
    refuses_to_map("/dev/null", "found something else");
    // A pipe without a writer must not hang us.
    cr_assert_eq(mkfifo(in_directory("pipe"), 0600), 0);
    refuses_to_map(in_directory("pipe"), "found something else");
}

Test(file, many_maps_leave_no_descriptor_open) {
    put("text", "text");
    struct rlimit few = {.rlim_cur = 64, .rlim_max = 64};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 200; i++) {
        FileView view;
        Error err;
        if (!file_map(&view, in_directory("text"), &err))
            cr_assert_fail("map %d: %s", i, err.text);
        file_unmap(&view);
        if (file_map(&view, directory, &err))
            cr_assert_fail("map %d: wanted a directory refused", i);
    }
}

// --- Writing -----------------------------------------------------------------

Test(file, is_written_whole) {
    FileWriter writer;
    Error err;
    cr_assert(file_begin(&writer, in_directory("new"), &err));
    file_write(&writer, "one ", 4);
    file_write(&writer, NULL, 0);
    file_write(&writer, "two", 3);
    cr_assert(!file_exists(in_directory("new")), "found it before its time");
    cr_assert(file_commit(&writer, &err));
    check_text("new", "one two");
    cr_assert_eq(entries(false), 1, "wanted no temporary left");
}

Test(file, old_content_stays_until_the_commit) {
    put("file", "old");
    FileWriter writer;
    Error err;
    cr_assert(file_begin(&writer, in_directory("file"), &err));
    file_write(&writer, "new", 3);
    fflush(writer.stream);
    check_text("file", "old");
    cr_assert(file_commit(&writer, &err));
    check_text("file", "new");
    cr_assert_eq(entries(false), 1);
}

Test(file, old_content_stays_where_the_new_is_abandoned) {
    put("file", "old");
    FileWriter writer;
    Error err;
    cr_assert(file_begin(&writer, in_directory("file"), &err));
    file_write(&writer, "new", 3);
    file_abandon(&writer);
    check_text("file", "old");
    cr_assert_eq(entries(false), 1, "wanted no temporary left");
}

Test(file, nothing_is_there_where_a_first_file_is_abandoned) {
    FileWriter writer;
    Error err;
    cr_assert(file_begin(&writer, in_directory("file"), &err));
    file_abandon(&writer);
    cr_assert_eq(entries(false), 0);
}

// Files may not grow beyond so many bytes: as a full disk would have it.
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// Writes size bytes where 1000 have room; true where that was committed.
static bool write_to_full_disk(size_t size, Error *err) {
    FileWriter writer;
    cr_assert(file_begin(&writer, in_directory("file"), err));
    for (size_t i = 0; i < size; i++)
        file_write(&writer, "x", 1);
    limit_files(1000);
    bool ok = file_commit(&writer, err);
    limit_files(RLIM_INFINITY);
    return ok;
}

Test(file, old_content_stays_where_the_disk_is_full) {
    put("file", "old");
    Error err;
    cr_assert(!write_to_full_disk(1001, &err));
    cr_assert(strncmp(err.text, directory, strlen(directory)) == 0);
    cr_assert(strstr(err.text, "/file: wanted to write the whole file, found"));
    cr_assert(strstr(err.text, "too large"), "found: %s", err.text);
    check_text("file", "old");
    cr_assert_eq(entries(false), 1, "wanted no temporary left");

    cr_assert(write_to_full_disk(1000, &err), "%s", err.text);
}

// The error comes with an early write; later ones succeed, and fclose() too.
Test(file, an_error_on_the_way_is_not_forgotten) {
    put("file", "old");
    FileWriter writer;
    Error err;
    cr_assert(file_begin(&writer, in_directory("file"), &err));
    limit_files(1000);
    for (int i = 0; i < 100000; i++)
        file_write(&writer, "x", 1);
    limit_files(RLIM_INFINITY);
    file_write(&writer, "x", 1);
    cr_assert(!file_commit(&writer, &err));
    check_text("file", "old");
    cr_assert_eq(entries(false), 1);
}

Test(file, a_rename_that_fails_leaves_no_temporary) {
    FileWriter writer;
    Error err;
    cr_assert(file_begin(&writer, in_directory("file"), &err));
    file_write(&writer, "new", 3);
    cr_assert(directory_make(in_directory("file"), &err));
    cr_assert(!file_commit(&writer, &err));
    cr_assert(strstr(err.text, "irectory"), "found: %s", err.text);
    cr_assert_eq(entries(false), 1, "wanted no temporary left");
}

// What is at the path cannot be written, and why.
static void refuses_to_write(const char *path, const char *why) {
    FileWriter writer;
    Error err;
    cr_assert(!file_begin(&writer, path, &err), "%s was opened", path);
    cr_assert(strncmp(err.text, path, strlen(path)) == 0,
              "wanted a line about %s, found %s", path, err.text);
    cr_assert(strstr(err.text, why), "wanted '%s', found: %s", why, err.text);
}

Test(file, directories_and_devices_are_not_written) {
    refuses_to_write(directory, "found a directory");
    refuses_to_write("/dev/null", "found something else");
    refuses_to_write(in_directory("no/parent"), "No such file");
    cr_assert_eq(entries(false), 0);
}

Test(file, a_path_too_long_is_not_written) {
    char path[PATH_BYTES];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    FileWriter writer;
    Error err;
    cr_assert(!file_begin(&writer, path, &err));
    cr_assert(strstr(err.text, "path: wanted at most 4095 bytes, found"));
}

// The superuser may write everywhere.
Test(file, a_directory_that_may_not_be_written) {
    if (geteuid() == 0)
        cr_skip_test("run by the superuser");
    chmod(directory, 0500);
    FileWriter writer;
    Error err;
    bool begun = file_begin(&writer, in_directory("file"), &err);
    chmod(directory, 0700);
    cr_assert(!begun);
    cr_assert(strstr(err.text, "Permission denied"), "found: %s", err.text);
}
