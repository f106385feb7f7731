/// Guests of other kinds than the Linux of the other tests: a freestanding one, which checks its hypercalls itself, and
/// those of Debian's packages.
@NullMarked
package io.xenemu.it.guest;

import org.jspecify.annotations.NullMarked;
