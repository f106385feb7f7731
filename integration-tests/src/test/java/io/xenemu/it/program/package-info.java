/// Programs that tests start in a JVM of their own, most of them in the lab, and the soak. The benchmarks are in
/// `bench`.
@NullMarked
package io.xenemu.it.program;

import org.jspecify.annotations.NullMarked;
