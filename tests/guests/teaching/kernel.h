/* A small kernel as teachers write them: what its chapters share. It knows the board by heart, and asks nobody. */
#pragma once
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define FINISHER 0x00100000ul
#define CLINT    0x02000000ul
#define PLIC     0x0c000000ul
#define UART     0x10000000ul
#define VIRTIO   0x10001000ul
#define RAM      0x80000000ul
#ifndef MEMORY
#define MEMORY (1ul << 20)
#endif
#ifndef TICK
#define TICK 20000ul /* of the clock, between two timer interrupts */
#endif

enum { PAGE = 4096, PROCESSES = 8, BLOCK = 1024, NAME = 24, LINE = 128, INPUT = 512, PROGRAM_PAGES = 3 };

/* The highest page of every address space holds the code that changes them; below it, in a process's, its registers. */
#define TOP         (1ul << 38)
#define TRAMPOLINE  (TOP - PAGE)
#define FRAME       (TRAMPOLINE - PAGE)
#define STACK_OF(n) (TRAMPOLINE - (2 * (n) + 2) * PAGE) /* a kernel stack each, with nothing below it */

/* Flags of entries. Accessed and dirty are none of this kernel's business: whoever walks sets them. */
enum { V = 1, R = 2, W = 4, X = 8, U = 16 };

#define read_csr(name)         ({ u64 value_; asm volatile("csrr %0, " #name : "=r"(value_)); value_; })
#define write_csr(name, value) asm volatile("csrw " #name ", %0" : : "r"((u64)(value)) : "memory")
#define set_csr(name, bits)    asm volatile("csrs " #name ", %0" : : "r"((u64)(bits)) : "memory")
#define clear_csr(name, bits)  asm volatile("csrc " #name ", %0" : : "r"((u64)(bits)) : "memory")
#define REGISTER(type, base, offset) (*(volatile type *)((base) + (offset)))
#define STATUS_SIE (1ul << 1)
#define STATUS_SPIE (1ul << 5)
#define STATUS_SPP (1ul << 8)

typedef u64 *Table;

/* What the trampoline keeps of a process in user mode; it counts on this order. */
typedef struct {
    u64 x[32]; /* x[0] is the pc */
    u64 kernel_satp, kernel_sp, kernel_entry;
} Frame;

typedef struct { u64 ra, sp, s[12]; } Context; /* `change` counts on this order */

enum State { FREE, READY, RUNNING, ASLEEP, DEAD };

typedef struct Process {
    enum State state;
    int number, status, killed;
    struct Process *parent;
    void *awaits;
    Table table;
    Frame *frame;
    Context context;
} Process;

/* memory.c */
void *take_page(void);
void give_page(void *);
void fill(void *, int, u64);
void copy(void *, const void *, u64);
int same(const char *, const char *);
void map(Table, u64 va, u64 pa, u64 size, int flags);
u64 *entry_of(Table, u64 va, int make);
void forget_table(Table, u64 user_pages);
int copy_out(Table, u64 va, const void *, u64);
int copy_in(Table, void *, u64 va, u64);
void memory_begin(void);
void paging_begin(void);
extern Table kernel_table;

/* process.c */
extern Process *now;
void first_process(void);
void schedule(void) __attribute__((noreturn));
void yield(void);
void sleep_on(void *);
void wake(void *);
int fork(void);
int wait(void);
void die(int) __attribute__((noreturn));
int execute(const char *words);
Table new_table(Frame *);

/* trap.c */
extern volatile u64 ticks;
void traps_begin(void);
void back_to_user(void) __attribute__((noreturn));
int quiet(void);
void loud(int);

/* console.c */
void console_begin(void);
void console_interrupt(void);
void put(int);
void say(const char *);
void say_number(u64);
void say_hex(u64);
void send(const char *, u64);
int read_line(char *);
void panic(const char *) __attribute__((noreturn));

/* disk.c, files.c */
void disk_begin(void);
void disk_interrupt(void);
void transfer(u32 block, void *, int write);
int file_name(u32 index, char *name);
int file_read(const char *name, u32 block, void *);
int file_write(const char *name, const void *, u32 size);

/* calls.c */
void answer(void);
