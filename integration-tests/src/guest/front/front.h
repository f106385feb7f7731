/* Front ends that break the protocols of their devices (front.c). */
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
/* What is at evtchn_pending_sel's place of the other width: 0, if Xen takes the guest's width for that of shared_info. */
uint32_t selected_elsewhere(void);
/* Between two looks at a ring. */
void pause_for_an_answer(void);

/* nodes.c. The first device of its kind; whether there is one. */
int find_device(struct device *device, const char *kind);
void set_node(const struct device *device, const char *name, const char *text);
void set_number(const struct device *device, const char *name, uint32_t value);
/* In decimal digits, until the next call. */
const char *number_text(uint32_t value);
/* A node data/NAME of the domain, for the host. */
void report(const char *name, uint32_t value);
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

/* pages.c. A new reference for a page, which is never used again. */
void begin_grants(void);
grant_ref_t grant_page(const volatile void *page, domid_t to, uint16_t flags);
/* Grants by the same reference again. */
void grant_again(grant_ref_t ref, const volatile void *page);
/* Whether the back end uses it now. */
int in_use(grant_ref_t ref);
/* Takes it back if it is not in use. */
int revoke(grant_ref_t ref);
/* The table's frames, of which a page may be granted; and how many of them. */
#define GRANT_FRAMES 4
volatile void *grant_frame(unsigned int index);
evtchn_port_t open_port(domid_t remote);
void close_port(evtchn_port_t port);

/* Pages between those that are granted, which no back end may change. */
void *guarded_page(void);
unsigned int changed_guards(void);
void fill_words(volatile void *page, uint32_t value);
unsigned int other_words(const volatile void *page, uint32_t value);

void begin_random(uint32_t seed);
uint32_t random_below(uint32_t limit);

/* "KIND.CASE" and "KIND.CASE.MORE". */
const char *name_of(const char *kind, const char *name, const char *more);

/* What a device plays; it begins and ends with a device that serves. */
struct attack {
    const char *name;
    void (*play)(void);
};

/* A node with which no connection may come about; it is missing without a text. */
struct bad_node {
    const char *attack;
    const char *node;
    const char *text;
};

/* One device and its front end. */
struct served {
    struct device device;
    /* Its first ring, and the event channel of that. */
    const char *ring_node, *port_node;
    evtchn_port_t port;
    /* The back end's state after it. */
    int (*connect)(void);
    /* 0 if it does. */
    int (*serves)(void);
    /* Sends as many requests as the ring takes, and waits for none. */
    void (*keep_busy)(void);
    /* Pages of the rings that the back end uses. */
    unsigned int (*rings_in_use)(void);
    const struct bad_node *bad_nodes;
    unsigned int bad_node_count;
    const struct attack *attacks;
    unsigned int attack_count;
};

/* attacks.c: what is the same for all kinds. After a case that has harmed the device: it begins again, and serves. */
void comes_back(const struct served *served, const char *name);
/* A ring that the guest has broken is served no more: nothing `came`. */
void stays_silent(const struct served *served, const char *name, int came);
/* A connection must fail; the device is closed. */
void is_refused(const struct served *served, const char *name);
/* A range of any length is an attack number, in the order of play: the device's own, then these. */
unsigned int attack_count(const struct served *served);
const char *attack_name(const struct served *served, unsigned int number);
void play_attack(struct served *served, unsigned int number);
/* The last one: the device is gone for good. */
void remove_in_flight(struct served *served);

/* The devices; null if the guest has none of the kind. */
struct served *begin_vbd(void);
struct served *begin_vif(void);
struct served *begin_9pfs(void);
struct served *begin_console(void);

#endif
