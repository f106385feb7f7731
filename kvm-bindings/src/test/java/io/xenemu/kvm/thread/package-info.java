@NullMarked
package io.xenemu.kvm.thread;

import org.jspecify.annotations.NullMarked;
