# Hypercalls, the guest's side: what a paravirtual kernel does instead of a sensitive instruction.
#
# The kernel runs in U mode as its programs do, in another view of the page table. `ecall` there is
# a hypercall: its number in a7, arguments in a0 and a1, the result in a0. An error is below 0.

    .equ HYPER_TRAPS, 0         # a0: where traps and events go, a1: the page to share; masks events
    .equ HYPER_RETURN, 1        # sp: a frame, of which pc, sp, a7 and status are still to be loaded
    .equ HYPER_TABLE, 2         # a0: another page table, in the format of satp; 0: none
    .equ HYPER_UPDATE, 3        # a0: a list of (address of an entry, its value), a1: how many, 32 at most
    .equ HYPER_ALARM, 4         # a0: in how much time to ring
    .equ HYPER_WAIT, 5          # until an event is pending, masked or not
    .equ HYPER_EVENTS, 6        # deliver what is pending now
    .equ HYPER_CONSOLE, 7       # a0: a text, a1: its length
    .equ HYPER_OFF, 8           # a0: what a computer's test finisher would be told
    .equ HYPER_BIND, 9          # a0: another guest, by its number, a1: a channel, 1 to 63
    .equ HYPER_SEND, 10         # a0: a channel
    .equ HYPER_FIND, 11         # a0: another guest; the channel on which it has named this one
    .equ HYPER_GRANT, 12        # a0: a page for who is at the other end, a1: a channel
    .equ HYPER_COPY, 13         # a0: a list of 4: a place here, one in the granted page, a length,
                                # 1 to write there or 0 to read; a1: a channel

# The shared page, in bytes from its start. The kernel writes the first two and the last.
    .equ INFO_MASK, 0           # not 0: no event now. A trap sets it
    .equ INFO_PENDING, 8        # a bit for each event: 0 is the alarm, the others are channels
    .equ INFO_PC, 16            # of the last trap or event: where it came from,
    .equ INFO_SP, 24            # with which sp,
    .equ INFO_STATUS, 32        # and from whom: as sstatus has SPP and SPIE
    .equ INFO_CAUSE, 40         # as scause
    .equ INFO_VALUE, 48         # as stval
    .equ INFO_STACK, 56         # the sp that the kernel wants when a program is interrupted

    .macro hypercall number     # all others are made of it. Spoils a7, and a0 gets the result
    li   a7, \number
    ecall
    .endm

    .macro set_traps handler    # for: csrw stvec; and shares the page
    mv   a0, \handler
    la   a1, shared_info
    hypercall HYPER_TRAPS
    .endm

    .macro return_from_trap     # for: sret. sp: the frame; all but sp, a7 and pc are loaded
    hypercall HYPER_RETURN
    .endm

    .macro switch_table satp    # for: csrw satp, sfence.vma
    mv   a0, \satp
    hypercall HYPER_TABLE
    .endm

    .macro update_tables list, count  # for: stores to tables in use, sfence.vma
    la   a0, \list
    li   a1, \count
    hypercall HYPER_UPDATE
    .endm

    .macro set_alarm delay      # for: rdtime, csrw stimecmp
    mv   a0, \delay
    hypercall HYPER_ALARM
    .endm

    .macro wait_for_event       # for: wfi
    hypercall HYPER_WAIT
    .endm

    .macro write_console        # for: stores to the UART. a0: a text, a1: its length
    hypercall HYPER_CONSOLE
    .endm

    .macro switch_off           # for: a store to the finisher. a0: the word
    hypercall HYPER_OFF
    .endm

    .macro bind_channel guest, channel
    li   a0, \guest
    li   a1, \channel
    hypercall HYPER_BIND
    .endm

    .macro send_event channel
    li   a0, \channel
    hypercall HYPER_SEND
    .endm

# No hypercalls: the shared page is memory.

    .macro info to, place       # for: csrr scause, sepc, sstatus, stval
    la   \to, shared_info
    ld   \to, \place(\to)
    .endm

    .macro set_stack sp         # for: csrw sscratch. Spoils t1
    la   t1, shared_info
    sd   \sp, INFO_STACK(t1)
    .endm

    .macro take_events to       # the bits of the events pending; from here on none is
    la   \to, shared_info+INFO_PENDING
    amoswap.d \to, zero, (\to)
    .endm

    .macro mask_events          # for: csrci sstatus, SIE. Spoils t1
    la   t1, shared_info        # any value but 0 does
    sd   t1, INFO_MASK(t1)
    .endm

    .macro unmask_events        # for: csrsi sstatus, SIE. Spoils t1, t2 and a7
    la   t1, shared_info
    sd   zero, INFO_MASK(t1)
    ld   t2, INFO_PENDING(t1)
    beqz t2, unmasked\@         # as a rule nothing had to wait
    mv   t1, a0
    hypercall HYPER_EVENTS
    mv   a0, t1
unmasked\@:
    .endm

    .bss
    .balign 4096
shared_info:
    .zero 4096
