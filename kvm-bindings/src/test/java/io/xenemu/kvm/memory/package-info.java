@NullMarked
package io.xenemu.kvm.memory;

import org.jspecify.annotations.NullMarked;
