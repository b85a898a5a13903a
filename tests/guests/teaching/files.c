/* A file system for people in a hurry: block 0 says what it is, block 1 lists all files, each in a row of blocks. */
#include "kernel.h"

enum { LIST = 1, FILES = BLOCK / 32 };
typedef struct { char name[20]; u32 first, size, room; } File;

static File list[FILES];
static char block[BLOCK];
static int busy, known;

static void enter(void) {
    int before = quiet();
    while (busy)
        sleep_on(&busy);
    busy = 1;
    loud(before);
    if (!known) {
        transfer(0, block, 0);
        if (!same(block, "TEACHING"))
            panic("no file system");
        transfer(LIST, list, 0);
        known = 1;
    }
}

static int leave(int result) {
    busy = 0;
    wake(&busy);
    return result;
}

static File *find(const char *name) {
    for (File *file = list; file < list + FILES; file++)
        if (file->name[0] && same(file->name, name))
            return file;
    return 0;
}

/* The name of a file, and its size; -1 behind the last one. */
int file_name(u32 index, char *name) {
    enter();
    if (index >= FILES || !list[index].name[0])
        return leave(-1);
    copy(name, list[index].name, sizeof list[index].name);
    return leave(list[index].size);
}

/* One block of a file: how many bytes of it there are, or -1. */
int file_read(const char *name, u32 number, void *to) {
    enter();
    File *file = find(name);
    if (!file)
        return leave(-1);
    if (number * BLOCK >= file->size)
        return leave(0);
    u32 size = file->size - number * BLOCK;
    transfer(file->first + number, block, 0);
    copy(to, block, BLOCK);
    return leave(size < BLOCK ? size : BLOCK);
}

/* All of a file, up to a block: a new one if there is none, behind the last one on the disk. */
int file_write(const char *name, const void *from, u32 size) {
    enter();
    File *file = find(name);
    if (!file) {
        u32 free = LIST + 1;
        for (file = list; file < list + FILES && file->name[0]; file++)
            if (free < file->first + file->room)
                free = file->first + file->room;
        if (file == list + FILES)
            return leave(-1);
        fill(file, 0, sizeof *file);
        for (int n = 0; name[n] && n < 19; n++)
            file->name[n] = name[n];
        file->first = free;
        file->room = 1;
    }
    fill(block, 0, BLOCK);
    copy(block, from, size);
    file->size = size;
    transfer(file->first, block, 1);
    transfer(LIST, list, 1);
    return leave(size);
}
