/// `xen-emu demo`: a Debian kernel with a shell, with nothing to prepare. [DemoCommand] fetches and packs; a
/// [GuestRunner] runs the guest.
@NullMarked
package io.xenemu.core.demo;

import org.jspecify.annotations.NullMarked;
