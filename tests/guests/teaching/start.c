/* M mode, once: give all that there is to S mode, and go there. */
#include "kernel.h"

static void run(void);

#ifdef OLD
u64 timer_notes[5];
void machine_timer(void);

static void timer_begin(void) {
    volatile u64 *alarm = (u64 *)(CLINT + 0x4000), *clock = (u64 *)(CLINT + 0xbff8);
    *alarm = *clock + TICK;
    timer_notes[3] = (u64)alarm;
    timer_notes[4] = TICK;
    write_csr(mscratch, timer_notes);
    write_csr(mtvec, machine_timer);
    set_csr(mstatus, 1 << 3);
    set_csr(mie, 1 << 7);
}
#else
static void timer_begin(void) {
    set_csr(mie, 1 << 5);
    set_csr(0x30a, 1ul << 63); /* menvcfg.STCE: stimecmp is S mode's */
    set_csr(mcounteren, 2);
    write_csr(0x14d, read_csr(time) + TICK);
}
#endif

void start(void) {
    write_csr(mstatus, (read_csr(mstatus) & ~(3ul << 11)) | 1ul << 11);
    write_csr(mepc, run);
    write_csr(satp, 0);
    write_csr(medeleg, 0xffff);
    write_csr(mideleg, 0xffff);
    set_csr(sie, 1 << 1 | 1 << 5 | 1 << 9);
    write_csr(pmpaddr0, ~0ul >> 10);
    write_csr(pmpcfg0, 0xf);
    timer_begin();
    asm volatile("mret");
}

static void run(void) {
    console_begin();
    say("\nteaching kernel, hart ");
    u64 hart;
    asm volatile("mv %0, tp" : "=r"(hart));
    say_number(hart);
    say("\n");
    memory_begin();
    paging_begin();
    traps_begin();
    disk_begin();
    first_process();
    schedule();
}
