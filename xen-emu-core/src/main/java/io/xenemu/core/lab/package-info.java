/// The lab: an emulated machine (L1) whose KVM has the Xen interface, on any Linux host (L0), with nothing but Debian packages. Guests run
/// inside it (L2). It serves hosts and CI machines whose own KVM has no Xen support; it is never needed where KVM has it.
@NullMarked
package io.xenemu.core.lab;

import org.jspecify.annotations.NullMarked;
