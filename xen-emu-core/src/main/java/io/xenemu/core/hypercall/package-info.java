/// Hypercalls: the table from number and sub-operation to handler, one file per hypercall, and the dispatcher.
@NullMarked
package io.xenemu.core.hypercall;

import org.jspecify.annotations.NullMarked;
