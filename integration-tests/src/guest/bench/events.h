/* Events that arrive at vCPU 0: by the bitmaps of the 2-level ABI, or by the queues of the FIFO ABI. */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "../runtime/xen.h"

/* Ports of the guest are below this. */
#define EVENT_PORTS 64

/* Takes the callback vector, and the FIFO ABI if `fifo`; every port is masked then. 0 if the host refuses it. */
int events_arrive(volatile struct shared_info *shared, int fifo);

void event_unmask(evtchn_port_t port);

int event_is_pending(evtchn_port_t port);
void event_clear(evtchn_port_t port);

/* How often the handler has taken the port's event. */
uint32_t events_taken(evtchn_port_t port);

/* Takes interrupts until the handler has taken one more event than `before`. */
void event_wait(evtchn_port_t port, uint32_t before);

#endif
