/// Tests of KVM's half of a saved domain.
@NullMarked
package io.xenemu.core.machine.state;

import org.jspecify.annotations.NullMarked;
