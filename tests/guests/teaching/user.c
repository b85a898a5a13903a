/* All programs in one: which one it is, its name says. */
typedef unsigned long u64;
enum { EXIT = 1, FORK, WAIT, EXECUTE, WRITE, READ, SLEEP, NUMBER, FILE_NAME, FILE_READ, FILE_WRITE, OFF };

static long call(long what, u64 a, u64 b, u64 c) {
    register u64 a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a7 asm("a7") = what;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

static void main_of(char *words);
__attribute__((section(".text.start"), noreturn)) void _start(char *words) {
    main_of(words);
    call(EXIT, 0, 0, 0);
    __builtin_unreachable();
}

static u64 length(const char *text) {
    u64 size = 0;
    while (text[size])
        size++;
    return size;
}

static void say(const char *text) { call(WRITE, (u64)text, length(text), 0); }

static void say_number(u64 number) {
    char digits[24], *at = digits + 23;
    for (*at = 0; number || !*at; number /= 10)
        *--at = '0' + number % 10;
    say(at);
}

static u64 number_of(const char *text) {
    u64 number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = 10 * number + *text - '0';
    return number;
}

static int same(const char *one, const char *other) {
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

/* The next word, ended by a zero; `*rest` is what follows it. */
static char *word(char **rest) {
    char *first = *rest, *at;
    while (*first == ' ')
        first++;
    for (at = first; *at && *at != ' '; at++)
        ;
    *rest = *at ? at + 1 : at;
    *at = 0;
    return first;
}

static void ls(void) {
    char name[20];
    for (long index = 0, size; (size = call(FILE_NAME, index, (u64)name, 0)) >= 0; index++) {
        say(name);
        say(" ");
        say_number(size);
        say("\n");
    }
}

static void cat(const char *name) {
    static char data[1024];
    long size, block = 0;
    while ((size = call(FILE_READ, (u64)name, block++, (u64)data)) > 0)
        call(WRITE, (u64)data, size, 0);
    if (size < 0)
        say("no such file\n");
}

static void save(char *rest) {
    char *name = word(&rest);
    if (call(FILE_WRITE, (u64)name, (u64)rest, length(rest)) < 0)
        say("can't\n");
}

static void primes(u64 most) {
    u64 count = 0;
    for (u64 n = 2; n < most; n++) {
        u64 d = 2;
        while (d * d <= n && n % d)
            d++;
        count += d * d > n;
    }
    say_number(count);
    say(" primes\n");
}

/* Three at once; who says something when, the timer decides. */
static void race(u64 work) {
    for (int n = 0; n < 3; n++)
        if (!call(FORK, 0, 0, 0)) {
            for (int turn = 0; turn < 4; turn++) {
                char text[2] = {'a' + n, 0};
                for (volatile u64 some = 0; some < work; some++)
                    ;
                say(text);
            }
            call(EXIT, n, 0, 0);
        }
    long found, sum = 0;
    while ((found = call(WAIT, 0, 0, 0)) >= 0)
        sum += found >> 16;
    say(" ");
    say_number(sum);
    say("\n");
}

static void wrong(const char *how) {
    if (same(how, "load"))
        *(volatile char *)0x80000000ul;
    else if (same(how, "csr"))
        asm volatile("csrr t0, sstatus");
    else if (same(how, "call"))
        say_number(call(WRITE, 0x80000000ul, 8, 0) == -1);
    say(" survived\n");
}

static void sh(void) {
    char line[128];
    for (;;) {
        say("$ ");
        if (!call(READ, (u64)line, 0, 0))
            continue;
        if (same(line, "off"))
            call(OFF, 0, 0, 0);
        if (!call(FORK, 0, 0, 0)) {
            call(EXECUTE, (u64)line, 0, 0);
            say("what?\n");
            call(EXIT, 1, 0, 0);
        }
        call(WAIT, 0, 0, 0);
    }
}

static void main_of(char *words) {
    char *name = word(&words);
    if (same(name, "sh"))
        sh();
    else if (same(name, "ls"))
        ls();
    else if (same(name, "cat"))
        cat(word(&words));
    else if (same(name, "save"))
        save(words);
    else if (same(name, "primes"))
        primes(number_of(words));
    else if (same(name, "race"))
        race(number_of(words));
    else if (same(name, "sleep"))
        call(SLEEP, number_of(words), 0, 0);
    else if (same(name, "wrong"))
        wrong(word(&words));
}
