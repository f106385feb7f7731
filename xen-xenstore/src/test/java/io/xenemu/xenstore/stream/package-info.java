@NullMarked
package io.xenemu.xenstore.stream;

import org.jspecify.annotations.NullMarked;
