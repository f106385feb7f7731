@NullMarked
package io.xenemu.xenstore.persist;

import org.jspecify.annotations.NullMarked;
