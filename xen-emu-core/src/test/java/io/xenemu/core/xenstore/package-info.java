@NullMarked
package io.xenemu.core.xenstore;

import org.jspecify.annotations.NullMarked;
