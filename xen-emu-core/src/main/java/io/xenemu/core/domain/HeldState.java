package io.xenemu.core.domain;

import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.VcpuTimersCodec;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// The state that Xen keeps of a domain, taken while its vCPUs are held. The domain goes on afterwards. A trace begins
/// with this state, so that a replay can begin with the same domain.
///
/// It is [XenState] in its frames. It can be had of domains that cannot be saved, since a replay needs neither
/// registers nor devices. It has no timers: no result of a hypercall depends on a timer that runs.
public final class HeldState {
    private HeldState() {}

    /// The reason for which a domain has state that the frames do not contain; empty if there is none.
    public static Optional<String> obstacle(Domain domain) {
        return Stream.of(
                        DomainParts.shutdown(domain, SaveScope.ALONE),
                        DomainParts.restingVcpu(domain),
                        DomainParts.foreignChannel(domain, SaveScope.ALONE),
                        domain.pages().memoryBlocker(),
                        domain.pages().grantBlocker(SaveScope.ALONE),
                        domain.reportedMemoryMap().blocker())
                .flatMap(Optional::stream)
                .findFirst();
    }

    /// The frames of a domain's state. Its vCPUs are held, and there is no [#obstacle].
    public static byte[] take(Domain domain) {
        List<VcpuTimer.State> timers =
                Collections.nCopies(domain.config().vcpus(), new VcpuTimer.State(0, 0));
        Map<String, PartState> parts = new LinkedHashMap<>();
        parts.put("domain", DomainParts.identity(domain));
        parts.put("memory", domain.pages().saveMemory());
        parts.put("params", DomainParts.params(domain));
        parts.put("shared_info", DomainParts.sharedInfo(domain));
        parts.put("upcalls", DomainParts.delivery(domain));
        parts.put("vcpus", DomainParts.areas(domain));
        parts.put("evtchn", DomainParts.events(domain));
        parts.put("grants", domain.pages().saveGrants());
        parts.put(
                "timers",
                new PartState.Saved(
                        VcpuTimersCodec.TYPE,
                        VcpuTimersCodec.VERSION,
                        VcpuTimersCodec.encode(timers)));
        parts.put("watchdogs", DomainParts.watchdogs(domain));
        parts.put("layout", DomainParts.layout(domain.layout()));
        return XenState.write(parts);
    }

    /// The state of such frames.
    ///
    /// @throws WireException if they cannot be used
    public static XenState read(byte[] frames) throws WireException {
        try {
            return XenState.read(new ByteArrayInputStream(frames));
        } catch (WireException e) {
            throw e;
        } catch (IOException e) {
            throw new IllegalStateException("memory does not fail", e);
        }
    }
}
