/// A VM without KVM, for tests of what uses one.
@NullMarked
package io.xenemu.core.vm;

import org.jspecify.annotations.NullMarked;
