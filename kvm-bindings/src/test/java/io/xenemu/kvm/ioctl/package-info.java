@NullMarked
package io.xenemu.kvm.ioctl;

import org.jspecify.annotations.NullMarked;
