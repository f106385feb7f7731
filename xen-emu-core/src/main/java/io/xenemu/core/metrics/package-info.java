/// Metrics of the core, and the HTTP endpoint for Prometheus.
@NullMarked
package io.xenemu.core.metrics;

import org.jspecify.annotations.NullMarked;
