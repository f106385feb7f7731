/// Meters of core, and the HTTP endpoint that Prometheus scrapes. `docs/metrics.md` lists every meter.
///
/// Families of files:
///
/// - Meters of one domain: `HypercallMetrics`, `ExitMetrics`, `DeviceMetrics`, with their end in [DomainMeters].
/// - The endpoint: [MetricsServer], [MetricsConnection], [Scraper].
///
/// Locks are leaves. Counting takes none.
@NullMarked
package io.xenemu.core.metrics;

import org.jspecify.annotations.NullMarked;
