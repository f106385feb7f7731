/// A VM without KVM, for tests of code that uses a VM.
@NullMarked
package io.xenemu.core.vm;

import org.jspecify.annotations.NullMarked;
