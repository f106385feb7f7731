package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/// What becomes of a domain's devices when its guest goes to another host: what they need there, the content of disks,
/// and what one host alone may have.
public final class DeviceMoves {
    /// The longest wait for a device that is flushed, given up or claimed: an image has much to be written, or its
    /// process ends or starts.
    private static final Duration HAND_OVER = Duration.ofSeconds(60);

    private final Backends backends;
    private final HostCalls hostCalls;

    /// @param hostCalls for calls that may wait for the host
    DeviceMoves(Backends backends, HostCalls hostCalls) {
        this.backends = backends;
        this.hostCalls = hostCalls;
    }

    /// A domain's devices, in the order of [#needs].
    public List<PvDevice> devices(DomId domain) {
        return backends.of(domain).stream().map(ServedDevice::device).toList();
    }

    /// What a domain's devices need where it goes on: their specifications, and the sizes of disks. The domain runs.
    ///
    /// @throws Refused if one cannot be saved
    public List<SavedSpec> needs(DomId domain) throws Refused {
        List<SavedSpec> needs = new ArrayList<>();
        for (ServedDevice device : backends.of(domain)) {
            if (!(device.served() instanceof BackendDevice.Savable savable)) {
                throw new Refused(device.device().name() + " cannot be saved");
            }
            if (savable instanceof BackendDevice.Claimed) {
                BackendDevice.Saved now = savable.save(device.device(), null);
                needs.add(
                        new SavedSpec(
                                device.device().kind(),
                                now.version(),
                                Bytes.asList(now.body().toBytes())));
            } else {
                needs.add(backends.kinds().saved(savable.spec().numbered(device.device().id())));
            }
        }
        return needs;
    }

    private static Optional<BackendDevice.Copied> copied(ServedDevice device) {
        return device.served() instanceof BackendDevice.Copied copied && copied.isHere()
                ? Optional.of(copied)
                : Optional.empty();
    }

    /// The disks of a domain whose content is on this host, by their places in [#needs], with the bytes that they take.
    ///
    /// @throws Refused if one cannot be copied
    public SortedMap<Integer, Long> copied(DomId domain) throws Refused {
        SortedMap<Integer, Long> disks = new TreeMap<>();
        List<ServedDevice> all = backends.of(domain);
        for (int place = 0; place < all.size(); place++) {
            Optional<BackendDevice.Copied> disk = copied(all.get(place));
            if (disk.isPresent()) {
                disks.put(place, hostCalls.make(disk.get()::copiedBytes, _ -> {}));
            }
        }
        return disks;
    }

    /// Begins to copy these disks, in this order.
    ///
    /// @return to be closed
    public List<BackendDevice.DiskCopy> copy(DomId domain) {
        return backends.of(domain).stream()
                .flatMap(device -> copied(device).stream())
                .map(BackendDevice.Copied::copy)
                .toList();
    }

    /// Flushes the devices of a domain of which one host alone may have a part. The guest runs.
    ///
    /// @param copies whether disks are copied that are on this host: then they are not flushed
    /// @throws Refused if that fails
    public void flush(DomId domain, boolean copies) throws Refused, InterruptedException {
        for (ServedDevice device : backends.of(domain)) {
            if (device.served() instanceof BackendDevice.Claimed claimed
                    && !(copies && copied(device).isPresent())) {
                claimed.flush(HAND_OVER);
            }
        }
    }

    /// Gives up what one host alone may have of a domain's devices, which stand still and stay so until [#claim].
    ///
    /// @param copies whether disks are copied that are on this host: then they stay here, and all that the guest has
    ///     written can be read
    /// @throws Refused if one cannot be given up; others may have been
    public void release(DomId domain, boolean copies) throws Refused, InterruptedException {
        for (ServedDevice device : backends.of(domain)) {
            device.change(
                    HAND_OVER,
                    (claimed, connection) -> {
                        Optional<BackendDevice.Copied> stays =
                                copies ? copied(device) : Optional.empty();
                        if (stays.isPresent()) {
                            connection.requireQuiet(stays.get());
                        } else {
                            connection.release(claimed, HAND_OVER);
                        }
                    });
        }
    }

    /// Claims again what was given up of a domain's devices.
    ///
    /// @throws Refused if one cannot be claimed; others may have been
    public void claim(DomId domain) throws Refused, InterruptedException {
        for (ServedDevice device : backends.of(domain)) {
            device.change(HAND_OVER, (claimed, connection) -> connection.claim(claimed));
        }
    }
}
