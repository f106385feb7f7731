@NullMarked
package io.xenemu.core.hypercall;

import org.jspecify.annotations.NullMarked;
