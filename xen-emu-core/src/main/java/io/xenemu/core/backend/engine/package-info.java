/// Engines: threads that do the work of devices for all domains, and each domain's map of them.
///
/// - The names: [EngineClass], [EngineId]; an operator's definition: [EngineSpec].
/// - The threads: [Engine] runs the [QueueWork] of each [EngineQueue], in the order of [Turns]. Its queues have an
///   [EngineSlot] each, of [EngineSlots]; [RunState] says whether a queue may run. [EngineUse], [EngineMetrics].
/// - The maps: [EngineMap], its binary form [EngineMapLayout], its saved state [EngineMapState].
/// - The service's engines: [Engines]; those of one domain: [DomainEngines]. Start reading here.
///
/// Locks, from the outside: the monitor of [DomainEngines], the lock of [EngineQueue], the monitor of [Engine]. None is
/// held while work runs.
@NullMarked
package io.xenemu.core.backend.engine;

import org.jspecify.annotations.NullMarked;
