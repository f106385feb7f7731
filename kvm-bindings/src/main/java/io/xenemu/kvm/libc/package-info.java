/// The C library through `java.lang.foreign`. Not exported: other modules see no handle, errno or raw address.
@NullMarked
package io.xenemu.kvm.libc;

import org.jspecify.annotations.NullMarked;
