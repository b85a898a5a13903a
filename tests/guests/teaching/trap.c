/* Traps, from below and from the kernel itself; and whose turn it is. */
#include "kernel.h"

enum { SOFTWARE = 1, TIMER = 5, EXTERNAL = 9, CALL = 8, UART_PIN = 10, DISK_PIN = 1 };
extern char kernel_trap_entry[], user_trap_entry[], to_user[], trampoline[];
volatile u64 ticks;

int quiet(void) {
    int before = (read_csr(sstatus) & STATUS_SIE) != 0;
    clear_csr(sstatus, STATUS_SIE);
    return before;
}

void loud(int before) {
    if (before)
        set_csr(sstatus, STATUS_SIE);
}

void traps_begin(void) {
    write_csr(stvec, kernel_trap_entry);
    REGISTER(u32, PLIC, 4 * UART_PIN) = 1;
    REGISTER(u32, PLIC, 4 * DISK_PIN) = 1;
    REGISTER(u32, PLIC, 0x2080) = 1 << UART_PIN | 1 << DISK_PIN; /* S mode of hart 0 */
    REGISTER(u32, PLIC, 0x201000) = 0;
}

static void external(void) {
    u32 pin = REGISTER(u32, PLIC, 0x201004);
    if (pin == UART_PIN)
        console_interrupt();
    else if (pin == DISK_PIN)
        disk_interrupt();
    else if (pin)
        panic("nobody's interrupt");
    if (pin)
        REGISTER(u32, PLIC, 0x201004) = pin;
}

/* Deal with an interrupt. 2: time for another; 1: dealt with; 0: it is none. */
static int interrupted(void) {
    u64 cause = read_csr(scause);
    if (!(cause >> 63))
        return 0;
    switch (cause & 0xff) {
    case EXTERNAL:
        external();
        return 1;
    case SOFTWARE: /* from the timer in M mode */
        clear_csr(sip, 1 << SOFTWARE);
        break;
#ifndef OLD
    case TIMER:
        write_csr(0x14d, read_csr(time) + TICK);
        break;
#endif
    default:
        return 0;
    }
    ticks++;
    wake((void *)&ticks);
    return 2;
}

void kernel_trap(void) {
    u64 pc = read_csr(sepc), status = read_csr(sstatus);
    if (!(status & STATUS_SPP))
        panic("a kernel's trap from user mode");
    int what = interrupted();
    if (!what) {
        say_hex(read_csr(scause));
        say(" at ");
        say_hex(pc);
        say(" of ");
        say_hex(read_csr(stval));
        panic(" in the kernel");
    }
    if (what == 2 && now)
        yield();
    write_csr(sepc, pc); /* others have trapped meanwhile */
    write_csr(sstatus, status);
}

void user_trap(void) {
    write_csr(stvec, kernel_trap_entry);
    now->frame->x[0] = read_csr(sepc);
    u64 cause = read_csr(scause);
    int what = 1;
    if (cause == CALL) {
        now->frame->x[0] += 4;
        set_csr(sstatus, STATUS_SIE);
        answer();
    } else if (!(what = interrupted())) {
        say("process ");
        say_number(now->number);
        say(": cause ");
        say_number(cause);
        say(" at ");
        say_hex(now->frame->x[0]);
        say(" of ");
        say_hex(read_csr(stval));
        say("\n");
        now->killed = 1;
    }
    if (now->killed)
        die(-1);
    if (what == 2)
        yield();
    back_to_user();
}

void back_to_user(void) {
    quiet();
    write_csr(stvec, TRAMPOLINE + (user_trap_entry - trampoline));
    Frame *frame = now->frame;
    frame->kernel_satp = read_csr(satp);
    frame->kernel_entry = (u64)user_trap;
    write_csr(sstatus, (read_csr(sstatus) & ~STATUS_SPP) | STATUS_SPIE);
    write_csr(sepc, frame->x[0]);
    void (*go)(u64) = (void (*)(u64))(TRAMPOLINE + (to_user - trampoline));
    go(8ul << 60 | (u64)now->table >> 12);
    __builtin_unreachable();
}
