/// The layouts of Xen's public structures: one class per C structure, named after it, in one file per header family.
/// Structures that a guest passes by address are read through [io.xenemu.kvm.memory.GuestArgument]; those in shared
/// pages give offsets. Tests compare all of them with what a C compiler makes of Xen's headers.
@NullMarked
package io.xenemu.kvm.abi.xen;

import org.jspecify.annotations.NullMarked;
