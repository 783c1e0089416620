// Files: read by mapping them into memory, written whole or not at all.
#ifndef FILE_H
#define FILE_H

#include <stddef.h>
#include <stdio.h>

#include "error.h"

enum { PATH_BYTES = 4096 };

// directory/name into path; an error if that is longer than PATH_BYTES.
bool path_join(char path[PATH_BYTES], const char *directory, const char *name,
               Error *err);

// Is there something at this path?
bool file_exists(const char *path);

// Makes the directory, or finds it there already. Its parent must exist.
bool directory_make(const char *path, Error *err);

// A file's bytes, read-only.
typedef struct {
    const unsigned char *bytes;  // (size); NULL where size is 0
    size_t size;
} FileView;

// Maps a regular file. The operating system reads a page when it is first
// touched, so that a checkpoint of gigabytes opens in no time.
bool file_map(FileView *view, const char *path, Error *err);
void file_unmap(FileView *view);

// A file under construction: written under another name beside its own, and
// renamed when whole.
typedef struct {
    FILE *stream;
    char path[PATH_BYTES];
    char temporary[PATH_BYTES];
} FileWriter;

// Opens the temporary. What is at path now stays until file_commit().
bool file_begin(FileWriter *writer, const char *path, Error *err);

// Writes the bytes; an error (a full disk) is kept by the stream for
// file_commit() to find.
void file_write(FileWriter *writer, const void *bytes, size_t size);

// Flushes to the disk and renames. On failure the temporary is gone and path is
// as it was.
bool file_commit(FileWriter *writer, Error *err);

// Removes the temporary.
void file_abandon(FileWriter *writer);

#endif
