/// The freestanding test guests: building them, the VMMs that run them, and what they print.
@NullMarked
package io.xenemu.it.guest;

import org.jspecify.annotations.NullMarked;
