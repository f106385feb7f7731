/* A front end that breaks the protocols of its devices (front.c). */
#ifndef FRONT_H
#define FRONT_H

#include "../hypercalls/check.h"
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/xen.h"

#include <stdint.h>

#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/io/ring.h>
#include <xen/io/xenbus.h>

/* What a wait gives that has ended without an answer. */
#define NO_ANSWER 99
/* An answer that does not belong to the request. */
#define WRONG_ANSWER 98

/* Milliseconds: for what must come (patience=NUMBER), and for what must not. */
extern uint32_t patience;
#define SILENCE 300

/* One device: kind and number, and the directories of its two ends. */
struct device {
    const char *kind;
    char front[64];
    char back[160];
};

/* clock.c: needs map of shared_info, by begin_clock(). */
void begin_clock(void);
uint64_t milliseconds(void);
void sleep_for(unsigned int count);

/* nodes.c. The first device of its kind; whether there is one. */
int find_device(struct device *device, const char *kind);
void set_node(const struct device *device, const char *name, const char *text);
void set_number(const struct device *device, const char *name, uint64_t value);
/* From now on, that node gets this text whatever is written to it; it is removed instead without a text. */
void override_node(const char *name, const char *text);
void remove_node(const struct device *device, const char *name);
void remove_front(const struct device *device);
void set_state(const struct device *device, unsigned int state);
/* A number of the back end's directory; 0 if there is none. */
uint32_t back_number(const struct device *device, const char *name);
/* Waits for the back end's state, and gives the last one that was seen: 0 without a node. */
int await_back(const struct device *device, int state, unsigned int limit);
/* Waits until the back end is Connected or Closing. */
int await_connected(const struct device *device);
/* Closes the front end: 5, then 6; the back end's state at the end, which is to be Closed. */
int close_front(const struct device *device);
/* Closes, and begins again: the back end's state, which is to be InitWait. */
int restart(const struct device *device);

/* grants.c. A new reference for a page, which is never used again. */
void begin_grants(void);
grant_ref_t grant_page(const volatile void *page, domid_t to, uint16_t flags);
/* Grants by the same reference again. */
void grant_again(grant_ref_t ref, const volatile void *page);
/* Whether the back end uses it now. */
int in_use(grant_ref_t ref);
/* Takes it back if it is not in use. */
int revoke(grant_ref_t ref);
evtchn_port_t open_port(domid_t remote);
void close_port(evtchn_port_t port);

/* Pages between those that are granted, which no back end may change. */
void *guarded_page(void);
unsigned int changed_guards(void);
void fill_words(volatile void *page, uint32_t value);
unsigned int other_words(const volatile void *page, uint32_t value);

uint32_t random_below(uint32_t limit);

/* "KIND.CASE" and "KIND.CASE.MORE". */
const char *name_of(const char *kind, const char *name, const char *more);

/* After a case that has harmed the device: it begins again, and serves. */
struct served {
    struct device device;
    int (*connect)(void);
    int (*serves)(void);
};
void comes_back(const struct served *served, const char *name);
/* A connection with a wrong node, or without it, must fail. */
void refused(const struct served *served, const char *name, const char *node, const char *text);
/* States and nodes at random, then everything works. */
void flood_nodes(const struct served *served);
void cycle(const struct served *served, unsigned int count);

/* The devices; each returns 0 if there is none. */
int play_vbd(void);
int play_vif(void);

#endif
