/* The serial port: bytes go out when it says by an interrupt that it is empty, lines come in byte by byte. */
#include "kernel.h"

enum { DATA, ENABLE, FIFO, LINE_CONTROL, LINE_STATUS = 5, RECEIVED = 1, EMPTY = 0x20 };
#define PORT(n) REGISTER(u8, UART, n)

static char line[INPUT];
static u32 typed, complete, taken; /* of it */

void console_begin(void) {
    PORT(ENABLE) = 0;
    PORT(LINE_CONTROL) = 0x80; /* the divisor, which is 3 for 38,400 */
    PORT(DATA) = 3;
    PORT(ENABLE) = 0;
    PORT(LINE_CONTROL) = 3;
    PORT(FIFO) = 7;
    PORT(ENABLE) = 3;
}

void put(int byte) {
    while (!(PORT(LINE_STATUS) & EMPTY))
        ;
    PORT(DATA) = byte;
}

void say(const char *text) {
    while (*text)
        put(*text++);
}

static void digits(u64 number, u64 base) {
    if (number >= base)
        digits(number / base, base);
    put("0123456789abcdef"[number % base]);
}

void say_number(u64 number) { digits(number, 10); }

void say_hex(u64 number) {
    say("0x");
    digits(number, 16);
}

#ifdef OLD
static char waiting[32];
static u32 written, sent; /* of it */

static void send_more(void) {
    while (sent != written && PORT(LINE_STATUS) & EMPTY)
        PORT(DATA) = waiting[sent++ % sizeof waiting];
    wake(&sent);
}

static void send_byte(char byte) {
    while (written - sent == sizeof waiting)
        sleep_on(&sent);
    waiting[written++ % sizeof waiting] = byte;
    send_more();
}
#else
static int sending;

static void send_more(void) {
    if (PORT(LINE_STATUS) & EMPTY) {
        sending = 0;
        wake(&sending);
    }
}

static void send_byte(char byte) {
    while (sending)
        sleep_on(&sending);
    PORT(DATA) = byte;
    sending = 1;
}
#endif

/* What a process writes: it waits while there is no room. */
void send(const char *bytes, u64 size) {
    int before = quiet();
    for (u64 n = 0; n < size; n++)
        send_byte(bytes[n]);
    loud(before);
}

static void type(char byte) {
    if (byte == '\r')
        byte = '\n';
    if (byte == 8 || byte == 127) {
        if (typed != complete) {
            typed--;
            say("\b \b");
        }
    } else if (typed - taken < INPUT) {
        put(byte);
        line[typed++ % INPUT] = byte;
        if (byte == '\n' || typed - taken == INPUT) {
            complete = typed;
            wake(&complete);
        }
    }
}

void console_interrupt(void) {
    (void)PORT(FIFO); /* why it interrupts; that is enough for it */
    while (PORT(LINE_STATUS) & RECEIVED)
        type(PORT(DATA));
    send_more();
}

/* A line without its end; how long it is. */
int read_line(char *to) {
    int before = quiet(), size = 0;
    while (taken == complete)
        sleep_on(&complete);
    while (taken != complete) {
        char byte = line[taken++ % INPUT];
        if (byte == '\n')
            break;
        if (size < LINE - 1)
            to[size++] = byte;
    }
    to[size] = 0;
    loud(before);
    return size;
}

void panic(const char *why) {
    quiet();
    say("panic: ");
    say(why);
    say("\n");
    REGISTER(u32, FINISHER, 0) = 0x13333;
    for (;;)
        ;
}
