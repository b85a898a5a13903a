/* Processes: they are made, run, wait for something, and die. */
#include "kernel.h"

extern char trampoline[];
void change(Context *old, Context *new);

Process *now;
static Process processes[PROCESSES];
static Context scheduler;
static int last_number;

Table new_table(Frame *frame) {
    Table table = take_page();
    map(table, TRAMPOLINE, (u64)trampoline, PAGE, R | X);
    map(table, FRAME, (u64)frame, PAGE, R | W);
    return table;
}

static void begin(void) {
    back_to_user();
}

static Process *new_process(void) {
    for (int n = 0; n < PROCESSES; n++) {
        Process *one = &processes[n];
        if (one->state != FREE)
            continue;
        fill(one, 0, sizeof *one);
        one->number = ++last_number;
        one->frame = take_page();
        one->frame->kernel_sp = STACK_OF(n) + PAGE;
        one->context.sp = STACK_OF(n) + PAGE;
        one->context.ra = (u64)begin;
        return one;
    }
    return 0;
}

static void first(void) {
    if (execute("sh") < 0)
        panic("no shell");
    loud(1);
    back_to_user();
}

void first_process(void) {
    Process *one = new_process();
    one->context.ra = (u64)first;
    one->state = READY;
}

void schedule(void) {
    for (;;) {
        int ran = 0;
        for (Process *one = processes; one < processes + PROCESSES; one++) {
            set_csr(sstatus, STATUS_SIE); /* what waits for an interrupt, gets it here at the latest */
            clear_csr(sstatus, STATUS_SIE);
            if (one->state != READY)
                continue;
            now = one;
            one->state = RUNNING;
            change(&scheduler, &one->context);
            now = 0;
            ran = 1;
        }
        if (!ran) /* with interrupts off none is lost: it ends all the same */
            asm volatile("wfi");
    }
}

static void leave(void) {
    change(&now->context, &scheduler);
}

void yield(void) {
    int before = quiet();
    now->state = READY;
    leave();
    loud(before);
}

/* Interrupts are off: nobody wakes it before it sleeps. */
void sleep_on(void *what) {
    now->awaits = what;
    now->state = ASLEEP;
    leave();
}

void wake(void *what) {
    for (Process *one = processes; one < processes + PROCESSES; one++)
        if (one->state == ASLEEP && one->awaits == what)
            one->state = READY;
}

int fork(void) {
    Process *child = new_process();
    if (!child)
        return -1;
    Table table = new_table(child->frame);
    for (u64 n = 0; n < PROGRAM_PAGES; n++) {
        void *page = take_page();
        copy(page, (void *)(*entry_of(now->table, n * PAGE, 0) >> 10 << 12), PAGE);
        map(table, n * PAGE, (u64)page, PAGE, R | W | X | U);
    }
    child->table = table;
    for (int n = 0; n < 32; n++)
        child->frame->x[n] = now->frame->x[n];
    child->frame->x[10] = 0;
    child->parent = now;
    child->state = READY;
    return child->number;
}

/* The number of a child that has died, and its status above that; -1 if there are no children. */
int wait(void) {
    int before = quiet();
    for (;;) {
        int children = 0;
        for (Process *one = processes; one < processes + PROCESSES; one++) {
            if (one->state == FREE || one->parent != now)
                continue;
            children++;
            if (one->state != DEAD)
                continue;
            int found = one->number | (one->status & 0xff) << 16;
            forget_table(one->table, PROGRAM_PAGES);
            give_page(one->frame);
            one->state = FREE;
            loud(before);
            return found;
        }
        if (!children) {
            loud(before);
            return -1;
        }
        sleep_on(now);
    }
}

void die(int status) {
    quiet();
    if (now->number == 1)
        panic("the shell has died");
    for (Process *one = processes; one < processes + PROCESSES; one++)
        if (one->parent == now)
            one->parent = &processes[0];
    now->status = status;
    now->state = DEAD;
    wake(now->parent);
    leave();
    panic("the dead walk");
}

/* Become the program of this name, the first of the words, which it gets on top of its stack. */
int execute(const char *words) {
    char name[NAME];
    int n = 0;
    while (words[n] && words[n] != ' ' && n < NAME - 1)
        name[n] = words[n], n++;
    name[n] = 0;
    Table table = new_table(now->frame);
    for (u64 page = 0; page < PROGRAM_PAGES; page++)
        map(table, page * PAGE, (u64)take_page(), PAGE, R | W | X | U);
    for (u32 block = 0; block < (PROGRAM_PAGES - 1) * PAGE / BLOCK; block++) {
        u64 va = block * BLOCK, page = *entry_of(table, va, 0) >> 10 << 12;
        int size = file_read(name, block, (char *)page + va % PAGE);
        if (size < 0 || (size == 0 && block == 0)) {
            forget_table(table, PROGRAM_PAGES);
            return -1;
        }
        if (size < BLOCK)
            break;
    }
    u64 top = PROGRAM_PAGES * PAGE - LINE;
    copy_out(table, top, words, LINE);
    Table old = now->table;
    now->table = table;
    if (old)
        forget_table(old, PROGRAM_PAGES);
    now->frame->x[0] = 0;
    now->frame->x[2] = now->frame->x[10] = top;
    asm volatile("fence.i" ::: "memory");
    return top;
}
