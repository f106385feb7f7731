@NullMarked
package io.xenemu.kvm.wire;

import org.jspecify.annotations.NullMarked;
