@NullMarked
package io.xenemu.core.hypervisor;

import org.jspecify.annotations.NullMarked;
