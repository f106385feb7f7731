/// `xen-emu demo`: a Debian kernel with a shell, without any preparation by the user. [DemoCommand] fetches and packs;
/// a [GuestRunner] runs the guest.
@NullMarked
package io.xenemu.core.demo;

import org.jspecify.annotations.NullMarked;
