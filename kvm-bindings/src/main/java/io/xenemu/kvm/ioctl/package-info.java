/// KVM: one type per file descriptor, one structure per declaration of linux/kvm.h. For the core module alone.
@NullMarked
package io.xenemu.kvm.ioctl;

import org.jspecify.annotations.NullMarked;
