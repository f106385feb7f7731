/*
 * A guest that takes level-triggered interrupts of one line by the I/O APIC, and ends them. Nothing tells it what they
 * are for.
 *
 * Command line:
 *  line=N        the pin
 *  interrupts=N  how many it takes
 * Prints "ready", and then "interrupts=N".
 */
#include "../runtime/cpu.h"
#include "../runtime/ioapic.h"
#include "../runtime/print.h"
#include "../runtime/xen.h"

#define VECTOR 0x51

static uint32_t line = 17, wanted = 1000;
static volatile uint32_t interrupts;

static void take(void)
{
    interrupts++;
    /* Before the pin is changed: ioapic_mask takes its vector away, and KVM finds the pin of an end by that. */
    apic_eoi();
    if (interrupts < wanted)
        return;
    /* Interrupts are off here, and stay so: no other one is taken. */
    print("interrupts=");
    print_unsigned(interrupts);
    print("\n");
    guest_shutdown(SHUTDOWN_poweroff);
}

void guest_main(void)
{
    command_line_word("line", &line);
    command_line_word("interrupts", &wanted);
    apic_init();
    handle_vector(VECTOR, take);
    ioapic_unmask(line, VECTOR, TRIGGER_LEVEL);
    print("ready\n");
    for (;;)
        halt_until_interrupt();
}
