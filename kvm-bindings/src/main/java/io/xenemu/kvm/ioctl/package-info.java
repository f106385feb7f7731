/// KVM: one type per file descriptor, one structure per declaration of linux/kvm.h. Exported only to core.
@NullMarked
package io.xenemu.kvm.ioctl;

import org.jspecify.annotations.NullMarked;
