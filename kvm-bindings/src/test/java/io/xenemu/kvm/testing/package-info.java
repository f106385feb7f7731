/// Fixtures that the tests of all modules share: they depend on the jar of these tests.
@NullMarked
package io.xenemu.kvm.testing;

import org.jspecify.annotations.NullMarked;
