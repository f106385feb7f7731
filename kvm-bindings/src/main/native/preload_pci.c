/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "preload_pci.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE 0x80000000u
#define NO_ADDRESS 0xffffffffu
#define DEVICES 256 /* of bus 0: slot and function */

#define PCI_CLASS_DWORD 0x08
#define CLASS_STORAGE_SCSI 0x0100
#define CLASS_STORAGE_IDE 0x0101
#define CLASS_STORAGE_SATA 0x0106
#define CLASS_STORAGE_NVME 0x0108
#define BASE_NETWORK 0x02

#define UNPLUG_DISKS 1u
#define UNPLUG_NICS 2u
#define UNPLUG_AUX_IDE 4u
#define UNPLUG_NVME 8u

/* Xen's platform device: where it is, and its header. */
#define PLATFORM_DEVFN (30 << 3)
#define PLATFORM_IO_BYTES 0x100u
#define PLATFORM_MEMORY_BYTES 0x1000000u
#define HEADER_WORDS 16
#define BAR_IO 4
#define BAR_MEMORY 5

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t address = NO_ADDRESS;
static uint16_t class_of[DEVICES];
static unsigned unplugged;
static uint32_t header[HEADER_WORDS];

/* The devfn of bus 0 that the address register selects, or -1. */
static int selected(void)
{
    return address != NO_ADDRESS && address & CONFIG_ENABLE && !((address >> 16) & 0xff) ? (int)((address >> 8) & 0xff)
                                                                                         : -1;
}

static bool is_unplugged(int devfn)
{
    uint16_t class = class_of[devfn];

    switch (class) {
    case CLASS_STORAGE_IDE:
    case CLASS_STORAGE_SATA:
    case CLASS_STORAGE_SCSI:
        return unplugged & (UNPLUG_DISKS | UNPLUG_AUX_IDE);
    case CLASS_STORAGE_NVME:
        return unplugged & UNPLUG_NVME;
    default:
        return class >> 8 == BASE_NETWORK && unplugged & UNPLUG_NICS;
    }
}

static void reset_header(void)
{
    memset(header, 0, sizeof(header));
    header[0] = 0x00015853;  /* XenSource, platform device */
    header[2] = 0xff800001;  /* class "other", revision 1 */
    header[BAR_IO] = 1;      /* I/O */
    header[BAR_MEMORY] = 8;  /* memory, prefetchable */
    header[11] = 0x00015853; /* subsystem: the same */
    header[15] = 0x0100;     /* INTA */
}

static uint32_t *word(unsigned offset)
{
    return offset / 4 < HEADER_WORDS ? &header[offset / 4] : NULL;
}

static uint8_t header_byte(unsigned offset)
{
    const uint32_t *w = word(offset);

    return w ? *w >> (offset % 4 * 8) : 0;
}

/* Which bits of a word the guest can set. */
static uint32_t writable(unsigned word_number)
{
    switch (word_number) {
    case 1:
        return 0x0407; /* command */
    case 3:
        return 0xffff; /* cache line, latency */
    case BAR_IO:
        return ~(PLATFORM_IO_BYTES - 1);
    case BAR_MEMORY:
        return ~(PLATFORM_MEMORY_BYTES - 1);
    case 15:
        return 0xff; /* interrupt line */
    default:
        return 0;
    }
}

static void write_header_byte(unsigned offset, uint8_t value)
{
    uint32_t *w = word(offset);
    uint32_t mask, shifted;

    if (!w)
        return;
    mask = writable(offset / 4) & 0xffu << (offset % 4 * 8);
    shifted = (uint32_t)value << (offset % 4 * 8);
    *w = (*w & ~mask) | (shifted & mask);
}

static uint8_t *io_data(struct kvm_run *run)
{
    return (uint8_t *)run + run->io.data_offset;
}

static bool in_io_bar(uint16_t port)
{
    uint32_t base = header[BAR_IO] & ~3u;

    return header[1] & 1 && base && port - base < PLATFORM_IO_BYTES;
}

/* Nobody has anything there: a read sees ones. */
static void serve_nothing(struct kvm_run *run)
{
    if (run->io.direction == KVM_EXIT_IO_IN)
        memset(io_data(run), 0xff, (size_t)run->io.size * run->io.count);
}

static void serve_platform(struct kvm_run *run)
{
    unsigned offset = (address & 0xfc) + (run->io.port - CONFIG_DATA);
    uint8_t *data = io_data(run);

    for (unsigned i = 0; i < run->io.size; i++) {
        if (run->io.direction == KVM_EXIT_IO_IN)
            data[i] = header_byte(offset + i);
        else
            write_header_byte(offset + i, data[i]);
    }
}

static bool io_exit(struct kvm_run *run)
{
    uint16_t port = run->io.port;
    int devfn;

    if (!header[0])
        reset_header();
    if (in_io_bar(port)) {
        serve_nothing(run);
        return true;
    }
    if (run->io.count != 1 || port < CONFIG_ADDRESS || port >= CONFIG_DATA + 4)
        return false;
    if (port < CONFIG_DATA) {
        if (port == CONFIG_ADDRESS && run->io.size == 4 && run->io.direction == KVM_EXIT_IO_OUT)
            memcpy(&address, io_data(run), sizeof(address));
        return false;
    }
    devfn = selected();
    if (devfn == PLATFORM_DEVFN) {
        serve_platform(run);
        return true;
    }
    if (devfn >= 0 && is_unplugged(devfn)) {
        serve_nothing(run);
        return true;
    }
    return false;
}

/* The platform device's memory has nothing but what Xen's old interface for statistics would put there. */
static bool memory_exit(struct kvm_run *run)
{
    uint32_t base = header[BAR_MEMORY] & ~15u;

    if (!(header[1] & 2) || !base || run->mmio.phys_addr < base ||
        run->mmio.phys_addr - base >= PLATFORM_MEMORY_BYTES)
        return false;
    if (!run->mmio.is_write)
        memset(run->mmio.data, 0, sizeof(run->mmio.data));
    return true;
}

bool pci_exit(struct kvm_run *run)
{
    bool served = false;

    pthread_mutex_lock(&lock);
    if (run->exit_reason == KVM_EXIT_IO)
        served = io_exit(run);
    else if (run->exit_reason == KVM_EXIT_MMIO)
        served = memory_exit(run);
    pthread_mutex_unlock(&lock);
    return served;
}

void pci_completed(const struct kvm_run *run)
{
    unsigned offset;
    int devfn;

    if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_IN || run->io.count != 1 ||
        run->io.port < CONFIG_DATA || run->io.port >= CONFIG_DATA + 4)
        return;
    pthread_mutex_lock(&lock);
    devfn = selected();
    offset = (address & 0xfc) + (run->io.port - CONFIG_DATA);
    if (devfn >= 0 && offset >= PCI_CLASS_DWORD && offset + run->io.size == PCI_CLASS_DWORD + 4 && run->io.size >= 2)
        memcpy(&class_of[devfn], (const uint8_t *)run + run->io.data_offset + run->io.size - 2, 2);
    pthread_mutex_unlock(&lock);
}

void pci_unplug(unsigned mask)
{
    pthread_mutex_lock(&lock);
    unplugged |= mask;
    pthread_mutex_unlock(&lock);
}

void pci_reset(void)
{
    pthread_mutex_lock(&lock);
    unplugged = 0;
    address = NO_ADDRESS;
    reset_header();
    pthread_mutex_unlock(&lock);
}
