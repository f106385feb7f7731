/* Thousands of events, between processes and from several threads, while their interrupts move from CPU to CPU: none is lost. */
#define _GNU_SOURCE
#include "check.h"
#include "evtchn.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SENDERS 2
#define MAX_INTERRUPTS 8

/* How many rounds a side has answered; the first that fails stops the game. */
static unsigned int play(int device, uint32_t port, unsigned int rounds, int serves)
{
    unsigned int round;

    for (round = 0; round < rounds; round++) {
        if (serves && evtchn_notify(device, port) != 0)
            break;
        if (evtchn_wait_one(device) != (long)port || evtchn_enable(device, port) != 1)
            break;
        if (!serves && evtchn_notify(device, port) != 0)
            break;
    }
    return round;
}

static void check_two_processes(unsigned int rounds)
{
    int here = evtchn_open();
    long port = evtchn_bind_unbound(here, DOMID_SELF);
    pid_t child = fork();
    int status;

    if (child < 0)
        die("fork");
    if (child == 0) {
        int there = evtchn_open();
        long other = evtchn_bind_interdomain(there, DOMID_SELF, (unsigned int)port);

        if (evtchn_wait_one(there) != other || evtchn_enable(there, (uint32_t)other) != 1)
            _exit(2);
        _exit(play(there, (uint32_t)other, rounds, 1) != rounds);
    }
    check("ring.answered", play(here, (uint32_t)port, rounds, 0), rounds);
    waitpid(child, &status, 0);
    check("ring.answers", status, 0);
    close(here);
}

/* Moves every interrupt of this program's ports from one CPU to the next, until told to stop. */
static atomic_int moving;
static atomic_uint moves;

static unsigned int find_interrupts(unsigned int *numbers)
{
    char line[4096];
    unsigned int found = 0;
    FILE *interrupts = fopen("/proc/interrupts", "r");

    if (!interrupts)
        die("/proc/interrupts");
    while (found < MAX_INTERRUPTS && fgets(line, sizeof(line), interrupts))
        if (strstr(line, "evtchn:") && sscanf(line, "%u:", &numbers[found]) == 1)
            found++;
    fclose(interrupts);
    return found;
}

static void *move_interrupts(void *unused)
{
    unsigned int numbers[MAX_INTERRUPTS], found = find_interrupts(numbers);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    (void)unused;
    for (unsigned int turn = 0; moving; turn++)
        for (unsigned int i = 0; i < found; i++) {
            char path[64];
            FILE *affinity;

            snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", numbers[i]);
            affinity = fopen(path, "w");
            if (!affinity)
                die(path);
            fprintf(affinity, "%ld\n", (long)(turn + i) % cpus);
            if (fclose(affinity) == 0)
                moves++;
        }
    return NULL;
}

struct sender {
    pthread_t thread;
    int device;
    uint32_t port;
    unsigned int rounds;
    atomic_uint sent;
};

/* Each event says that the number has changed; the last one must get through, whatever became one with others before. */
static void *flood(void *argument)
{
    struct sender *sender = argument;

    for (unsigned int i = 0; i < sender->rounds; i++) {
        sender->sent++;
        if (evtchn_notify(sender->device, sender->port) != 0)
            break;
    }
    return NULL;
}

static void check_flood(unsigned int rounds)
{
    int here = evtchn_open(), there = evtchn_open();
    struct sender senders[SENDERS];
    uint32_t receivers[SENDERS];
    unsigned int seen[SENDERS] = {0};
    unsigned int events = 0, complete = 0;
    pthread_t mover;

    for (unsigned int i = 0; i < SENDERS; i++) {
        struct channel channel = channel_open(here, there);

        senders[i].device = here;
        senders[i].port = channel.here;
        senders[i].rounds = rounds;
        senders[i].sent = 0;
        receivers[i] = channel.there;
    }
    moving = 1;
    if (pthread_create(&mover, NULL, move_interrupts, NULL))
        die("pthread_create");
    for (unsigned int i = 0; i < SENDERS; i++)
        if (pthread_create(&senders[i].thread, NULL, flood, &senders[i]))
            die("pthread_create");
    while (complete < SENDERS) {
        long port = evtchn_wait_one(there);

        if (port < 0)
            break;
        events++;
        /* Before the number is read, so that a later change means another event. */
        evtchn_enable(there, (uint32_t)port);
        complete = 0;
        for (unsigned int i = 0; i < SENDERS; i++) {
            if ((long)receivers[i] == port)
                seen[i] = senders[i].sent;
            complete += seen[i] == rounds;
        }
    }
    for (unsigned int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    moving = 0;
    pthread_join(mover, NULL);
    check("flood.first_sender", seen[0], rounds);
    check("flood.second_sender", seen[1], rounds);
    check("flood.interrupts_moved", moves > 0, 1);
    printf("flood: %u events for %u notifications, %u moves\n", events, SENDERS * rounds, (unsigned int)moves);
    close(here);
    close(there);
}

void check_ringing(unsigned int rounds)
{
    check_two_processes(rounds);
    check_flood(rounds);
}
