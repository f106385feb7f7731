/// The meters of a domain, which end with it, and the HTTP endpoint that Prometheus scrapes. `docs/metrics.md` lists
/// every meter.
///
/// - [DomainMeters] ends the meters of one domain. `HypercallMetrics`, `ExitMetrics` and `DeviceMetrics` are in the
///   packages whose events they count.
/// - The endpoint: [MetricsServer], [MetricsConnection], [Scraper].
///
/// Locks are leaves. Counting takes none.
@NullMarked
package io.xenemu.core.metrics;

import org.jspecify.annotations.NullMarked;
