@NullMarked
package io.xenemu.kvm.abi.xen;

import org.jspecify.annotations.NullMarked;
