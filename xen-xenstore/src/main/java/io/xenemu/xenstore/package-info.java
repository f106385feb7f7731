/// XenStore: the store, its requests, and the transports that carry them.
@NullMarked
package io.xenemu.xenstore;

import org.jspecify.annotations.NullMarked;
