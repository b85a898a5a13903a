/* A program with no operating system under it: primes, strings, 64-bit arithmetic; all on the UART. */

typedef unsigned char byte;
typedef unsigned int word;
typedef unsigned long dword;

#define UART ((volatile byte *)0x10000000)
#define FINISHER ((volatile word *)0x100000)

/* Where it all starts: a stack, main, and the status that it returns to the test finisher. */
__asm__(
    ".section .text.start, \"ax\"\n"
    ".globl _start\n"
    "_start:\n"
    "    la   sp, stack_end\n"
    "    call main\n"
    "    call power_off\n"
    ".bss\n"
    ".balign 16\n"
    "    .zero 8192\n"
    "stack_end:\n"
    ".text\n");

void power_off(word status) {
    *FINISHER = status ? status << 16 | 0x3333 : 0x5555;
    for (;;) {
    }
}

static void put(char c) {
    while (!(UART[5] & 0x20)) {
    }
    UART[0] = c;
}

static void text(const char *s) {
    while (*s) put(*s++);
}

static void number(dword n) {
    if (n >= 10) number(n / 10);
    put('0' + n % 10);
}

static void line(const char *name, dword n) {
    text(name);
    text(": ");
    number(n);
    put('\n');
}

static byte crossed[2000];

static dword primes(dword below) {
    dword found = 0;
    for (dword n = 2; n < below; n++) {
        if (crossed[n]) continue;
        found++;
        for (dword m = n * n; m < below; m += n) crossed[m] = 1;
    }
    return found;
}

static char words[] = "machine a inside machine a";

static void reverse(char *from, char *to) {
    while (from < --to) {
        char c = *from;
        *from++ = *to;
        *to = c;
    }
}

/* Reverses the order of the words: all letters first, then each word back. */
static void reverse_words(char *s) {
    char *end = s, *word = s;
    while (*end) end++;
    reverse(s, end);
    for (char *c = s;; c++) {
        if (*c && *c != ' ') continue;
        reverse(word, c);
        word = c + 1;
        if (!*c) return;
    }
}

static dword factorial(dword n) { return n ? n * factorial(n - 1) : 1; }

static dword gcd(dword a, dword b) { return b ? gcd(b, a % b) : a; }

int main(void) {
    line("primes below 2000", primes(2000));
    reverse_words(words);
    text(words);
    put('\n');
    line("20!", factorial(20));
    line("gcd(20!, 2^40 * 3)", gcd(factorial(20), (1ul << 40) * 3));
    long negative = -(long)factorial(15);
    line("-15! / 1000003, quotient, sign changed", -(negative / 1000003));
    line("-15! / 1000003, remainder, sign changed", -(negative % 1000003));
    line("high half of 20! * 20!", (dword)((unsigned __int128)factorial(20) * factorial(20) >> 64));
    return words[0] != 'a';
}
