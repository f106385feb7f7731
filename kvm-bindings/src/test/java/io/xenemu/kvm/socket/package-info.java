@NullMarked
package io.xenemu.kvm.socket;

import org.jspecify.annotations.NullMarked;
