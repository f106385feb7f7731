/// `xen-emu demo`: a Debian kernel with a shell, with nothing to prepare.
@NullMarked
package io.xenemu.core.demo;

import org.jspecify.annotations.NullMarked;
