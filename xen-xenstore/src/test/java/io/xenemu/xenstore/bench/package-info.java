/// JMH benchmarks.
@NullMarked
package io.xenemu.xenstore.bench;

import org.jspecify.annotations.NullMarked;
