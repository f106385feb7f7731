@NullMarked
package io.xenemu.xenstore.store;

import org.jspecify.annotations.NullMarked;
