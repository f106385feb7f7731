/* The guest's side of the FIFO ABI: its control blocks, its event words, and taking events from the queues. */
#ifndef FIFO_QUEUES_H
#define FIFO_QUEUES_H

#include "../runtime/fifo.h"
#include "event_ops.h"

#define WORDS_PER_PAGE 1024

/* One page holds the control blocks of both vCPUs. */
#define CONTROL_OFFSET(vcpu) (512u * (vcpu))

struct evtchn_fifo_control_block *control_block(uint32_t vcpu);
unsigned long control_gfn(void);

/* The page that has the words of ports from 1024 * index on, every one MASKED at first, as Linux has them. */
unsigned long word_page_gfn(unsigned int index);

volatile event_word_t *event_word(evtchn_port_t port);

/* Lets the guest unmask a port by itself, where nothing is pending. */
void clear_masked(evtchn_port_t port);
void set_masked(evtchn_port_t port);

/* Empties the queues of vCPU 0, as the handler of an upcall does. */
void take_fifo_events(void);

/* Starts with empty queues, after which the handler of upcalls takes events from them. */
void use_fifo(void);

/* Ports in the order in which their events were taken, as one decimal number of three digits each; forgets them. */
uint64_t taken(void);

/* Takes interrupts until `count` events have been taken, at most a second; whether they have. */
int wait_for_events(unsigned int count);

/* The checks of what arrives, in which order and where; the first page of words is there. */
void check_fifo_delivery(void);

#endif
