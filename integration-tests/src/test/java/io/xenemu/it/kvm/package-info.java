/// The tests of kvm-bindings on a KVM with Xen.
@NullMarked
package io.xenemu.it.kvm;

import org.jspecify.annotations.NullMarked;
