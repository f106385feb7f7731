/// The C library through `java.lang.foreign`. Not exported: nobody outside this module sees a handle, an errno or a raw
/// address.
@NullMarked
package io.xenemu.kvm.libc;

import org.jspecify.annotations.NullMarked;
