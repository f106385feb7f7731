/// Ends tests that hang, in every module.
@NullMarked
package io.xenemu.kvm.hang;

import org.jspecify.annotations.NullMarked;
