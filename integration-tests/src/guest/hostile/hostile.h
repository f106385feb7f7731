/* Guests that do harm, or are harmed, beside working ones (hostile.c). */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "../runtime/xen.h"

#include <stdint.h>

/* A number that the command line gives as WORD=NUMBER, else 0. */
uint32_t option(const char *word);

/* Writes a number to the node data/NAME of this domain, for the host to read. */
void report(const char *name, int64_t value);

/* Waits until the host has written a number to data/NAME, and takes the node away. */
uint32_t await_order(const char *name);

/* The same without waiting; -1 if there is none. */
int64_t look_for_order(const char *name);

/* One request to XenStore; whether it was granted. */
int store_request(uint32_t type, const char *body, uint32_t length);

/* Maps shared_info, and forgets every event that comes from now on when forget_events() is called. */
void take_events(void);
void forget_events(void);

/* Sleeps for some milliseconds, in Xen. */
void sleep_for(unsigned int milliseconds);

long alloc_port(domid_t remote, evtchn_port_t *port);
long bind_port(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port);
long close_port(evtchn_port_t port);

/* The roles with files of their own. */
void same_apic_ids(void);
void narrow(void);
void partner(void);
void ringer(void);
void target(void);
void all_ports(void);
void flood(void);
void grant_one(void);
void keeper(void);
void windows(void);
void any_call(void);

#endif
