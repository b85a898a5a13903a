/* What programs may ask for: a7 says what, a0 to a2 the rest. */
#include "kernel.h"

enum { EXIT = 1, FORK, WAIT, EXECUTE, WRITE, READ, SLEEP, NUMBER, FILE_NAME, FILE_READ, FILE_WRITE, OFF };

static int text_in(char *to, u64 va, u32 most) {
    for (u32 n = 0; n < most; n++)
        if (copy_in(now->table, to + n, va + n, 1) < 0)
            return -1;
        else if (!to[n])
            return 0;
    return -1;
}

static int write_out(u64 va, u64 size) {
    char part[64];
    for (u64 at = 0; at < size; at += sizeof part) {
        u64 some = size - at < sizeof part ? size - at : sizeof part;
        if (copy_in(now->table, part, va + at, some) < 0)
            return -1;
        send(part, some);
    }
    return size;
}

static int doze(u64 count) {
    int before = quiet();
    u64 until = ticks + count;
    while (ticks < until)
        sleep_on((void *)&ticks);
    loud(before);
    return 0;
}

static int files(int what, u64 *a) {
    char name[LINE];
    char *data = take_page();
    int size = -1;
    if (what == FILE_NAME) {
        size = file_name(a[0], name);
        if (size >= 0 && copy_out(now->table, a[1], name, 20) < 0)
            size = -1;
    } else if (text_in(name, a[0], NAME) < 0) {
        size = -1;
    } else if (what == FILE_READ) {
        size = file_read(name, a[1], data);
        if (size > 0 && copy_out(now->table, a[2], data, size) < 0)
            size = -1;
    } else if (a[2] <= BLOCK && copy_in(now->table, data, a[1], a[2]) >= 0) {
        size = file_write(name, data, a[2]);
    }
    give_page(data);
    return size;
}

static int text_call(int what, u64 *a) {
    char line[LINE];
    if (what == READ) {
        int size = read_line(line);
        return copy_out(now->table, a[0], line, size + 1) < 0 ? -1 : size;
    }
    fill(line, 0, sizeof line);
    return text_in(line, a[0], LINE) < 0 ? -1 : execute(line);
}

static int answered(int what, u64 *a) {
    switch (what) {
    case EXIT: die(a[0]);
    case FORK: return fork();
    case WAIT: return wait();
    case WRITE: return write_out(a[0], a[1]);
    case EXECUTE:
    case READ: return text_call(what, a);
    case SLEEP: return doze(a[0]);
    case NUMBER: return now->number;
    case FILE_NAME:
    case FILE_READ:
    case FILE_WRITE: return files(what, a);
    case OFF:
        quiet();
        say("off\n");
        REGISTER(u32, FINISHER, 0) = 0x5555;
    }
    return -1;
}

void answer(void) {
    u64 *x = now->frame->x;
    x[10] = answered(x[17], x + 10);
}
