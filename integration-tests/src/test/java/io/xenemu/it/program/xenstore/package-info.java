/// Our XenStore daemon beside Xen's own: the same conversations and the same load for each, spoken byte by byte.
@NullMarked
package io.xenemu.it.program.xenstore;

import org.jspecify.annotations.NullMarked;
