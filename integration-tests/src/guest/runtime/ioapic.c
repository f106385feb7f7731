#include "ioapic.h"

#define IOAPIC ((volatile uint32_t *)0xfec00000ul)
#define WINDOW_REGISTER 4
#define REDIRECTION 0x10
#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL (1u << 15)

#define COM1 0x3f8
#define INTERRUPT_ENABLE (COM1 + 1)
#define INTERRUPT_CAUSE (COM1 + 2)
#define MODEM_CONTROL (COM1 + 4)
#define ENABLE_TRANSMITTER_EMPTY 2
#define OUT2 8

static void ioapic_write(uint32_t reg, uint32_t value)
{
    IOAPIC[0] = reg;
    IOAPIC[WINDOW_REGISTER] = value;
}

void ioapic_unmask(unsigned int pin, uint8_t vector, enum trigger_mode mode)
{
    ioapic_write(REDIRECTION + 2 * pin + 1, 0);
    ioapic_write(REDIRECTION + 2 * pin, vector | (mode == TRIGGER_LEVEL ? ENTRY_LEVEL : 0));
}

void ioapic_mask(unsigned int pin)
{
    ioapic_write(REDIRECTION + 2 * pin, ENTRY_MASKED);
}

void serial_raise(void)
{
    /* Only a change of the enable bit raises it. */
    outb(INTERRUPT_ENABLE, 0);
    outb(MODEM_CONTROL, OUT2);
    outb(INTERRUPT_ENABLE, ENABLE_TRANSMITTER_EMPTY);
}

void serial_acknowledge(void)
{
    inb(INTERRUPT_CAUSE);
}

void serial_quiet(void)
{
    outb(INTERRUPT_ENABLE, 0);
    outb(MODEM_CONTROL, 0);
}
