/// Metrics of the core, and the HTTP endpoint that Prometheus scrapes.
@NullMarked
package io.xenemu.core.metrics;

import org.jspecify.annotations.NullMarked;
