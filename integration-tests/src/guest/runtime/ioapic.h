/* The I/O APIC at its usual place, and the first serial port as a source of interrupts. */
#ifndef IOAPIC_H
#define IOAPIC_H

#include "cpu.h"

#define SERIAL_GSI 4

enum trigger_mode { TRIGGER_EDGE, TRIGGER_LEVEL };

/* Lets a pin interrupt the boot vCPU. */
void ioapic_unmask(unsigned int pin, uint8_t vector, enum trigger_mode mode);
void ioapic_mask(unsigned int pin);

/* Takes the serial port's line up: it has room for output, and says so. print() must wait. */
void serial_raise(void);

/* Takes it down again, by reading the cause. */
void serial_acknowledge(void);

/* The serial port is back to how print() wants it. */
void serial_quiet(void);

#endif
