/// The hypercalls that a freestanding guest makes, checked by the guest itself.
@NullMarked
package io.xenemu.it.guest;

import org.jspecify.annotations.NullMarked;
