#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool path_join(char path[PATH_BYTES], const char *directory, const char *name,
               Error *err) {
    int length = snprintf(path, PATH_BYTES, "%s/%s", directory, name);
    if (length < 0 || length >= PATH_BYTES)
        return fail(err, "%.60s...: path: wanted at most %d bytes, found %d",
                    directory, PATH_BYTES - 1, length);
    return true;
}

bool file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

bool directory_make(const char *path, Error *err) {
    struct stat status;
    if (mkdir(path, 0777) == 0)
        return true;
    int reason = errno;
    if (*path == '\0')
        return fail(err, "directory: wanted a name, found an empty one");
    if (reason == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return true;
    return fail(err, "%s: wanted to make this directory, found: %s", path,
                strerror(reason));
}

// The open regular file's size, or an error.
static bool regular_size(int descriptor, const char *path, size_t *size,
                         Error *err) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fail(err, "%s: wanted its size, found: %s", path,
                    strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(err, "%s: wanted a regular file, found %s", path,
                    S_ISDIR(status.st_mode) ? "a directory" : "something else");
    *size = (size_t)status.st_size;
    return true;
}

bool file_map(FileView *view, const char *path, Error *err) {
    *view = (FileView){0};
    int descriptor =
        open(path, O_RDONLY |
                       O_NONBLOCK);  // a pipe without a writer must not hang us
    if (descriptor < 0)
        return fail(err, "%s: wanted to read this file, found: %s", path,
                    strerror(errno));

    size_t size = 0;
    bool ok = regular_size(descriptor, path, &size, err);
    if (ok && size > 0) {
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED)
            ok = fail(err, "%s: wanted to map %zu bytes, found: %s", path, size,
                      strerror(errno));
        else
            *view = (FileView){.bytes = bytes, .size = size};
    }
    close(descriptor);
    return ok;
}

void file_unmap(FileView *view) {
    if (view->bytes)
        munmap((void *)view->bytes, view->size);
    *view = (FileView){0};
}

bool file_begin(FileWriter *writer, const char *path, Error *err) {
    // Only a regular file is replaced: a rename onto a device or a directory
    // would be a disaster.
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return fail(err, "%s: wanted a regular file to write, found %s", path,
                    S_ISDIR(status.st_mode) ? "a directory" : "something else");

    int length = snprintf(writer->path, PATH_BYTES, "%s", path);
    int longer = snprintf(writer->temporary, PATH_BYTES, "%s.partial-%ld", path,
                          (long)getpid());
    if (length < 0 || longer >= PATH_BYTES)
        return fail(err, "%.60s...: path: wanted at most %d bytes, found %d",
                    path, PATH_BYTES - 1, longer);

    int descriptor =
        open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    writer->stream = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (writer->stream)
        return true;
    fail(err, "%s: wanted to write this file, found: %s", path,
         strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return false;
}

void file_write(FileWriter *writer, const void *bytes, size_t size) {
    if (size > 0)
        fwrite(bytes, 1, size, writer->stream);
}

bool file_commit(FileWriter *writer, Error *err) {
    bool ok = !ferror(writer->stream) && fflush(writer->stream) == 0 &&
              fsync(fileno(writer->stream)) == 0;
    int reason = errno;
    if (fclose(writer->stream) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    if (ok && rename(writer->temporary, writer->path) == 0)
        return true;
    if (ok)
        reason = errno;
    fail(err, "%s: wanted to write the whole file, found: %s", writer->path,
         strerror(reason));
    unlink(writer->temporary);
    return false;
}

void file_abandon(FileWriter *writer) {
    fclose(writer->stream);
    unlink(writer->temporary);
}
