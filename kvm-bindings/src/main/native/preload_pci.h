/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XEN_ATTACH_PRELOAD_PCI_H
#define XEN_ATTACH_PRELOAD_PCI_H

#include <linux/kvm.h>
#include <stdbool.h>

/*
 * The PCI configuration space of bus 0, as the guest sees it: the VMM's devices, without those that the guest has
 * unplugged, and Xen's platform device.
 */

/* An exit of I/O or of memory; whether it has been served here. */
bool pci_exit(struct kvm_run *run);

/* The VMM has served the exit before, which is about to be completed. */
void pci_completed(const struct kvm_run *run);

/* The guest unplugs: Xen's mask of the unplug port. */
void pci_unplug(unsigned mask);

/* The machine was reset: every device is there again. */
void pci_reset(void);

#endif
