/// Benchmarks: programs, not tests.
@NullMarked
package io.xenemu.core.bench;

import org.jspecify.annotations.NullMarked;
