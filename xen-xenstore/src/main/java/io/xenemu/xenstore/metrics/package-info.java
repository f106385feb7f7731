/// The meters of the store: [XenStoreMetrics], and [RequestMetrics], by which a request is counted.
///
/// Requests and events are counted with the store's lock held. Gauges are read without it: their values may be slightly
/// old.
@NullMarked
package io.xenemu.xenstore.metrics;

import org.jspecify.annotations.NullMarked;
