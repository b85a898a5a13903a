# The emulator, 5 of 5: its ARM program. A greeting, and the primes below 200, counted.
#
# The words are what an ARM assembler makes of the lines beside them. `vlab.guests.emulated` puts
# others in this file's place.

    .section .rodata
    .balign 4
arm_program:
    .word 0xe3a040b4            #        mov r4, 0xb4
    .word 0xe5d40000            # loop:  ldrb r0, [r4]
    .word 0xe3500000            #        cmp r0, 0
    .word 0x0a000002            #        beq count
    .word 0xef000001            #        swi 1
    .word 0xe2844001            #        add r4, r4, 1
    .word 0xeafffff9            #        b loop
    .word 0xe3a05002            # count: mov r5, 2
    .word 0xe3a06000            #        mov r6, 0
    .word 0xe3a07002            # next:  mov r7, 2
    .word 0xe0080797            # try:   mul r8, r7, r7
    .word 0xe1580005            #        cmp r8, r5
    .word 0x8a000005            #        bhi prime
    .word 0xe1a08005            #        mov r8, r5
    .word 0xe0588007            # take:  subs r8, r8, r7
    .word 0x8afffffd            #        bhi take
    .word 0x0a000002            #        beq not
    .word 0xe2877001            #        add r7, r7, 1
    .word 0xeafffff6            #        b try
    .word 0xe2866001            # prime: add r6, r6, 1
    .word 0xe2855001            # not:   add r5, r5, 1
    .word 0xe35500c8            #        cmp r5, 200
    .word 0x1afffff1            #        bne next
    .word 0xe1a00006            #        mov r0, r6
    .word 0xeb000003            #        bl put
    .word 0xe3a0000a            #        mov r0, 10
    .word 0xef000001            #        swi 1
    .word 0xe3a00000            #        mov r0, 0
    .word 0xef000000            #        swi 0
    .word 0xe3a01000            # put:   mov r1, 0
    .word 0xe350000a            # tens:  cmp r0, 10
    .word 0x2240000a            #        subhs r0, r0, 10
    .word 0x22811001            #        addhs r1, r1, 1
    .word 0x2afffffb            #        bhs tens
    .word 0xe3510000            #        cmp r1, 0
    .word 0xe1a02000            #        mov r2, r0
    .word 0xe5832400            #        str r2, [r3, 0x400]
    .word 0xe583e404            #        str lr, [r3, 0x404]
    .word 0x13810030            #        orrne r0, r1, 0x30
    .word 0x1f000001            #        swine 1
    .word 0xe5932400            #        ldr r2, [r3, 0x400]
    .word 0xe3820030            #        orr r0, r2, 0x30
    .word 0xef000001            #        swi 1
    .word 0xe593e404            #        ldr lr, [r3, 0x404]
    .word 0xe1a0f00e            #        mov pc, lr
    .asciz "primes below 200: "     # text:
    .balign 4
arm_program_end:
