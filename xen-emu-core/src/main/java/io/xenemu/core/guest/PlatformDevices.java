package io.xenemu.core.guest;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.device.AcpiEvents;
import io.xenemu.core.device.AcpiState;
import io.xenemu.core.device.DebugPort;
import io.xenemu.core.device.DeviceStateCodec;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.device.GuestLog;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.Rtc;
import io.xenemu.core.device.RtcState;
import io.xenemu.core.device.UnplugPorts;
import io.xenemu.core.device.UnplugState;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.PartState;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyWriter;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The devices of one boot that have no end on the host: clock, VM generation id, buttons, unplug ports, debug port.
final class PlatformDevices {
    private static final Logger log = LoggerFactory.getLogger(PlatformDevices.class);

    private final Domain domain;
    private final PlatformSettings settings;
    private final GuestLog driverLog;
    private final GuestLog debugLog;
    private final long firstOffset;
    private final Rtc rtc;
    private final UnplugPorts unplug;
    private volatile GenerationId generation;

    /// @param settings of a guest that boots
    /// @param blacklist tells which of the guest's PV drivers are not to load
    /// @param removal takes the mask of emulated devices that the guest wants removed
    /// @param saved the guest that is restored; null for one that boots
    PlatformDevices(
            Domain domain,
            PlatformSettings settings,
            UnplugPorts.Blacklist blacklist,
            IntConsumer removal,
            @Nullable SavedGuest saved) {
        this.domain = domain;
        this.settings = settings;
        driverLog = newLog("PV drivers");
        debugLog = newLog("debug port");
        RtcState clock =
                saved == null ? RtcState.initial(settings.clockOffset(Instant.now())) : saved.rtc();
        firstOffset = clock.offsetSeconds();
        domain.sharedInfo().timeOffset(firstOffset);
        rtc = new Rtc(InstantSource.system(), clock, domain.sharedInfo()::timeOffset);
        UnplugState drivers = saved == null ? UnplugState.INITIAL : saved.unplug();
        unplug = new UnplugPorts(driverLog, blacklist, removal, drivers);
        if (saved == null) {
            generation = settings.generation();
            bootGeneration();
        } else {
            generation = saved.acpi().generation();
            domain.acpiEvents().restore(saved.acpi().events());
        }
        addParts();
        domain.deviceMetrics().addLostLines("drivers", driverLog.lost());
        domain.deviceMetrics().addLostLines("debug", debugLog.lost());
    }

    private GuestLog newLog(String source) {
        return new GuestLog(line -> log.info("{}: {}: {}", domain, source, line), System::nanoTime);
    }

    private void addParts() {
        part("clock", DeviceStateCodec.RTC, () -> DeviceStateCodec.encode(rtc.save()));
        part("unplug ports", DeviceStateCodec.UNPLUG, () -> DeviceStateCodec.encode(unplug.save()));
        part(
                "acpi",
                DeviceStateCodec.ACPI,
                () ->
                        DeviceStateCodec.encode(
                                new AcpiState(domain.acpiEvents().save(), generation)));
        domain.add(
                new OwnPart(
                        "guest log",
                        this::flush,
                        OwnPart.NOTHING,
                        OwnPart.NEVER,
                        () -> new PartState.Nothing("a line that had begun was logged"),
                        this::flush));
    }

    private void part(String name, int frameType, Supplier<BodyWriter> state) {
        domain.add(
                OwnPart.passive(
                        name,
                        () ->
                                new PartState.Saved(
                                        frameType, DeviceStateCodec.VERSION, state.get())));
    }

    /// Logs lines that have begun.
    private void flush() {
        driverLog.flush();
        debugLog.flush();
    }

    /// The I/O ports of the unplug device alone.
    List<PortBus.Range> unplugRanges() {
        return unplug.ranges();
    }

    /// Their I/O ports.
    List<PortBus.Range> ranges() {
        List<PortBus.Range> ranges = new ArrayList<>();
        Stream.of(
                        rtc.ranges(),
                        unplug.ranges(),
                        new DebugPort(debugLog).ranges(),
                        domain.acpiEvents().ranges())
                .forEach(ranges::addAll);
        return ranges;
    }

    private void bootGeneration() {
        if (generation.exists()) {
            writeGeneration();
            domain.params().set(HvmParams.VM_GENERATION_ID_ADDR, GuestMemoryMap.GENERATION_ID);
        }
    }

    private void writeGeneration() {
        GuestMemory memory = domain.memory().guest();
        try {
            memory.write64(GuestMemoryMap.GENERATION_ID, generation.low());
            memory.write64(GuestMemoryMap.GENERATION_ID + Long.BYTES, generation.high());
        } catch (XenError e) {
            log.debug("{}: has given up the page of its generation id", domain);
        }
    }

    /// Its VM generation id now.
    GenerationId generation() {
        return generation;
    }

    /// Gives a guest that has an id a new one, and tells it.
    void renewGeneration() {
        if (generation.exists()) {
            generation = GenerationId.random();
            writeGeneration();
            domain.acpiEvents().raise(AcpiEvents.Event.GENERATION_ID);
        }
    }

    /// The settings for the next boot: a guest keeps its id, and a clock that it has set.
    PlatformSettings settings() {
        PlatformSettings next = settings.withGeneration(generation);
        long offset = rtc.offsetSeconds();
        return offset == firstOffset ? next : next.withClock(offset);
    }
}
