/* Pages, and the tables that say where they are. */
#include "kernel.h"

extern char kernel_end[], text_end[], trampoline[];
typedef struct Run { struct Run *next; } Run;
static Run *pages;
Table kernel_table;

void fill(void *at, int byte, u64 size) {
    u64 word = 0x0101010101010101ul * (u8)byte, *place = at;
    for (u64 n = 0; n < size / 8; n++)
        place[n] = word;
    for (u64 n = size & ~7ul; n < size; n++)
        ((char *)at)[n] = byte;
}

void *memset(void *at, int byte, u64 size) {
    fill(at, byte, size);
    return at;
}

void copy(void *to, const void *from, u64 size) {
    u64 words = (((u64)to | (u64)from) & 7) == 0 ? size / 8 : 0;
    for (u64 n = 0; n < words; n++)
        ((u64 *)to)[n] = ((const u64 *)from)[n];
    for (u64 n = 8 * words; n < size; n++)
        ((char *)to)[n] = ((const char *)from)[n];
}

void *memcpy(void *to, const void *from, u64 size) {
    copy(to, from, size);
    return to;
}

int same(const char *one, const char *other) {
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

void give_page(void *page) {
    fill(page, 1, PAGE); /* whoever uses it still shall notice */
    ((Run *)page)->next = pages;
    pages = page;
}

void *take_page(void) {
    Run *page = pages;
    if (!page)
        panic("no page left");
    pages = page->next;
    fill(page, 0, PAGE);
    return page;
}

void memory_begin(void) {
    for (char *page = kernel_end; page + PAGE <= (char *)RAM + MEMORY; page += PAGE)
        give_page(page);
}

u64 *entry_of(Table table, u64 va, int make) {
    for (int level = 2; level; level--) {
        u64 *entry = &table[va >> (12 + 9 * level) & 511];
        if (!(*entry & V)) {
            if (!make)
                return 0;
            *entry = (u64)take_page() >> 12 << 10 | V;
        }
        table = (Table)(*entry >> 10 << 12);
    }
    return &table[va >> 12 & 511];
}

void map(Table table, u64 va, u64 pa, u64 size, int flags) {
    for (u64 at = 0; at < size; at += PAGE) {
        u64 *entry = entry_of(table, va + at, 1);
        if (*entry & V)
            panic("mapped twice");
        *entry = (pa + at) >> 12 << 10 | flags | V;
    }
}

static void forget_level(Table table, int level) {
    for (int n = 0; n < 512; n++)
        if (level && table[n] & V)
            forget_level((Table)(table[n] >> 10 << 12), level - 1);
    give_page(table);
}

/* Give back its tables, and this many pages from address 0 on. */
void forget_table(Table table, u64 user_pages) {
    for (u64 n = 0; n < user_pages; n++)
        give_page((void *)(*entry_of(table, n * PAGE, 0) >> 10 << 12));
    forget_level(table, 2);
}

/* Where a user's page is, or 0: what a program says, isn't true before it was looked up. */
static u64 user_page(Table table, u64 va, int flags) {
    u64 *entry = va < TOP ? entry_of(table, va, 0) : 0;
    u64 needed = V | U | flags;
    return entry && (*entry & needed) == needed ? *entry >> 10 << 12 : 0;
}

static int user_copy(Table table, u64 va, char *ours, u64 size, int out) {
    while (size) {
        u64 page = user_page(table, va, out ? W : R), part = PAGE - va % PAGE;
        if (!page)
            return -1;
        if (part > size)
            part = size;
        char *theirs = (char *)page + va % PAGE;
        copy(out ? theirs : ours, out ? ours : theirs, part);
        va += part, ours += part, size -= part;
    }
    return 0;
}

int copy_out(Table table, u64 va, const void *from, u64 size) { return user_copy(table, va, (char *)from, size, 1); }
int copy_in(Table table, void *to, u64 va, u64 size) { return user_copy(table, va, to, size, 0); }

void paging_begin(void) {
    Table table = kernel_table = take_page();
    map(table, FINISHER, FINISHER, PAGE, R | W);
    map(table, UART, UART, PAGE, R | W);
    map(table, VIRTIO, VIRTIO, PAGE, R | W);
    map(table, PLIC, PLIC, 0x400000, R | W);
    map(table, RAM, RAM, (u64)text_end - RAM, R | X);
    map(table, (u64)text_end, (u64)text_end, RAM + MEMORY - (u64)text_end, R | W);
    map(table, TRAMPOLINE, (u64)trampoline, PAGE, R | X);
    for (int n = 0; n < PROCESSES; n++)
        map(table, STACK_OF(n), (u64)take_page(), PAGE, R | W);
    asm volatile("sfence.vma" ::: "memory");
    write_csr(satp, 8ul << 60 | (u64)table >> 12);
    asm volatile("sfence.vma" ::: "memory");
}
