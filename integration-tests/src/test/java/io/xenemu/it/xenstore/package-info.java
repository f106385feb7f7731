/// The XenStore daemon beside Xen's own two.
@NullMarked
package io.xenemu.it.xenstore;

import org.jspecify.annotations.NullMarked;
