/* Segment selectors of the guest's own GDT (entry.S). */
#ifndef SELECTORS_H
#define SELECTORS_H

#define SEL_KERNEL_CS 0x08
#define SEL_KERNEL_DS 0x10
#define SEL_USER_CS (0x18 | 3)
#define SEL_USER_DS (0x20 | 3)
#define SEL_TSS 0x28

#define VECTOR_USER_RETURN 0x80

#endif
