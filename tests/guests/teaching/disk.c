/* The driver of the disk: virtio of the modern kind, at the place where it is known to be. */
#include "kernel.h"

enum { MAGIC, VERSION = 4, KIND = 8, VENDOR = 0xc, OFFERS = 0x10, ACCEPTS = 0x20, QUEUE = 0x30, QUEUE_MOST = 0x34,
       QUEUE_SIZE = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, WHY = 0x60, ACKNOWLEDGE = 0x64, STATUS = 0x70,
       DESCRIPTORS = 0x80, AVAILABLE = 0x90, USED = 0xa0, SIZE = 8, MORE = 1, DEVICE_WRITES = 2 };
#define DISK(n) REGISTER(u32, VIRTIO, n)

typedef struct { u64 at; u32 size; u16 flags, next; } Descriptor;
typedef struct { u16 flags, index, ring[SIZE]; } Available;
typedef struct { u16 flags, index; struct { u32 id, size; } ring[SIZE]; } Used;

static Descriptor *descriptors;
static Available *available;
static volatile Used *used;
static struct { u32 kind, reserved; u64 sector; } request;
static volatile u8 outcome;
static volatile int busy, done;
static u16 seen;

static void place(int where, void *page) {
    DISK(where) = (u64)page;
    DISK(where + 4) = (u64)page >> 32;
}

/* It takes what it is offered but what it doesn't know, and looks at the first word of it alone. */
void disk_begin(void) {
    if (DISK(MAGIC) != 0x74726976 || DISK(VERSION) != 2 || DISK(KIND) != 2 || DISK(VENDOR) != 0x554d4551)
        panic("no disk");
    u32 status = 0;
    DISK(STATUS) = status;
    DISK(STATUS) = status |= 1;
    DISK(STATUS) = status |= 2;
    u32 features = DISK(OFFERS);
    features &= ~(1u << 5 | 1u << 7 | 1u << 11 | 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29);
    DISK(ACCEPTS) = features;
    DISK(STATUS) = status |= 8;
    status = DISK(STATUS);
    if (!(status & 8))
        panic("the disk wants other features");
    DISK(QUEUE) = 0;
    if (DISK(QUEUE_READY) || DISK(QUEUE_MOST) < SIZE)
        panic("the disk's queue is no good");
    descriptors = take_page(), available = take_page(), used = take_page();
    DISK(QUEUE_SIZE) = SIZE;
    place(DESCRIPTORS, descriptors);
    place(AVAILABLE, available);
    place(USED, (void *)used);
    DISK(QUEUE_READY) = 1;
    DISK(STATUS) = status |= 4;
}

/* Read or write a block; the process sleeps until the disk says that it is done. */
void transfer(u32 block, void *data, int write) {
    int before = quiet();
    while (busy)
        sleep_on((void *)&busy);
    busy = 1;
    done = 0;
    outcome = 0xff;
    request.kind = write;
    request.reserved = 0;
    request.sector = block * (BLOCK / 512);
    descriptors[0] = (Descriptor){(u64)&request, 16, MORE, 1};
    descriptors[1] = (Descriptor){(u64)data, BLOCK, MORE | (write ? 0 : DEVICE_WRITES), 2};
    descriptors[2] = (Descriptor){(u64)&outcome, 1, DEVICE_WRITES, 0};
    available->ring[available->index % SIZE] = 0;
    __sync_synchronize();
    available->index++;
    __sync_synchronize();
    DISK(NOTIFY) = 0;
    while (!done)
        sleep_on((void *)&done);
    if (outcome)
        panic("the disk failed");
    busy = 0;
    wake((void *)&busy);
    loud(before);
}

void disk_interrupt(void) {
    DISK(ACKNOWLEDGE) = DISK(WHY) & 3;
    __sync_synchronize();
    while (seen != used->index) {
        if (used->ring[seen++ % SIZE].id)
            panic("the disk made something up");
        done = 1;
        wake((void *)&done);
    }
}
