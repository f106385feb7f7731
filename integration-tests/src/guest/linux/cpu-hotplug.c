/*
 * Takes every CPU but the first offline and online again, while all of them are kept busy:
 *
 *     cpu-hotplug CYCLES
 *
 * A token with the time in it goes round all CPUs, which wakes each from another; each CPU sleeps by its own timer; and the memory map
 * changes, which interrupts all. After that every CPU has to do all of it again.
 */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS 16
#define TOKENS 2
#define SLEEP_NS 1000000
/* Each CPU has to be seen this often at work, of each kind. */
#define ENOUGH 20
/* Seconds; nothing takes a hundredth of this on real hardware. */
#define PATIENCE 120

struct cpu {
    int number;
    int pipe[2];
    atomic_uint passed, slept;
};

static struct cpu cpus[MAX_CPUS];
static int cpu_count;
static atomic_uint clock_steps_back, early_wakeups;
static char *page;

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* The kernel takes a thread elsewhere when its CPU goes offline. */
static int is_at(const struct cpu *cpu)
{
    cpu_set_t set;

    if (sched_getcpu() == cpu->number)
        return 1;
    CPU_ZERO(&set);
    CPU_SET(cpu->number, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

static void *pass_tokens(void *argument)
{
    struct cpu *cpu = argument;
    int next = cpus[(cpu->number + 1) % cpu_count].pipe[1];
    long long stamp;

    while (read(cpu->pipe[0], &stamp, sizeof(stamp)) == sizeof(stamp)) {
        int here = is_at(cpu);
        long long time = now();

        clock_steps_back += time < stamp;
        cpu->passed += here;
        if (write(next, &time, sizeof(time)) != sizeof(time))
            die("write");
    }
    return NULL;
}

static void *sleep_often(void *argument)
{
    struct cpu *cpu = argument;

    for (;;) {
        struct timespec length = {.tv_nsec = SLEEP_NS};
        int here = is_at(cpu);
        long long before = now();

        nanosleep(&length, NULL);
        early_wakeups += now() - before < SLEEP_NS;
        cpu->slept += here;
    }
    return NULL;
}

/* Every CPU that runs one of the threads has to forget the old mapping. */
static void interrupt_all(void)
{
    if (mprotect(page, 4096, PROT_READ) || mprotect(page, 4096, PROT_READ | PROT_WRITE))
        die("mprotect");
    *(volatile char *)page = 1;
}

static int set_online(int cpu, char online)
{
    char path[64];
    int file, failed;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
    file = open(path, O_WRONLY);
    if (file < 0)
        die(path);
    failed = write(file, &online, 1) == 1 ? 0 : -errno;
    close(file);
    return failed;
}

static void start(void)
{
    pthread_t thread;
    long long time = now();

    cpu_count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (cpu_count > MAX_CPUS || page == MAP_FAILED)
        die("start");
    for (int i = 0; i < cpu_count; i++) {
        cpus[i].number = i;
        if (pipe(cpus[i].pipe))
            die("pipe");
    }
    for (int i = 0; i < cpu_count; i++)
        if (pthread_create(&thread, NULL, pass_tokens, &cpus[i]) || pthread_create(&thread, NULL, sleep_often, &cpus[i]))
            die("pthread_create");
    for (int i = 0; i < TOKENS; i++)
        if (write(cpus[i % cpu_count].pipe[1], &time, sizeof(time)) != sizeof(time))
            die("write");
}

/* Until every CPU has passed a token and slept often enough from now on; how many have by the end of patience. */
static int at_work(void)
{
    unsigned int passed[MAX_CPUS], slept[MAX_CPUS];
    long long deadline = now() + PATIENCE * 1000000000ll;
    int working = 0;

    for (int i = 0; i < cpu_count; i++) {
        passed[i] = cpus[i].passed;
        slept[i] = cpus[i].slept;
    }
    while (working < cpu_count && now() < deadline) {
        interrupt_all();
        usleep(10000);
        working = 0;
        for (int i = 0; i < cpu_count; i++)
            working += cpus[i].passed - passed[i] >= ENOUGH && cpus[i].slept - slept[i] >= ENOUGH;
    }
    return working;
}

int main(int count, char **words)
{
    int cycles = count > 1 ? atoi(words[1]) : 1;
    int failed = 0;

    start();
    check("hotplug.all_at_work_before", at_work(), cpu_count);
    for (int cycle = 0; cycle < cycles && !failed; cycle++)
        for (int cpu = 1; cpu < cpu_count && !failed; cpu++) {
            failed = set_online(cpu, '0');
            interrupt_all();
            if (!failed)
                failed = set_online(cpu, '1');
            interrupt_all();
        }
    check("hotplug.cycles", failed, 0);
    check("hotplug.all_at_work_after", at_work(), cpu_count);
    check("hotplug.all_online", sysconf(_SC_NPROCESSORS_ONLN), cpu_count);
    check("hotplug.clock_steps_back", clock_steps_back, 0);
    check("hotplug.early_wakeups", early_wakeups, 0);
    for (int i = 0; i < cpu_count; i++)
        printf("cpu %d: %u tokens, %u sleeps\n", i, (unsigned int)cpus[i].passed, (unsigned int)cpus[i].slept);
    return check_summary();
}
