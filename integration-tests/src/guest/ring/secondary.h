/* The second vCPU. */
#ifndef SECONDARY_H
#define SECONDARY_H

/* Which vCPU this is: 0, or 1 for the one that was started. */
unsigned int this_vcpu(void);

/* Starts vCPU 1, which runs `main` with interrupts off and its local APIC enabled. Needs apic_init() before, in x2APIC mode. */
void start_secondary(void (*main)(void));

#endif
