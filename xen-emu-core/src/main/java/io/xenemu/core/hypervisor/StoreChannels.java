package io.xenemu.core.hypervisor;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The domains as XenStore sees them, with the channels of those that a tool may introduce again: all that are not
/// being destroyed. Any thread may use it.
final class StoreChannels implements GuestDomains {
    private final Predicate<DomId> exists;
    private final Map<DomId, StoreChannel> channels = new ConcurrentHashMap<>();

    /// @param exists whether a domain other than domain 0 exists
    StoreChannels(Predicate<DomId> exists) {
        this.exists = exists;
    }

    void put(DomId domain, StoreChannel channel) {
        channels.put(domain, channel);
    }

    @Nullable StoreChannel get(DomId domain) {
        return channels.get(domain);
    }

    void remove(DomId domain) {
        channels.remove(domain);
    }

    @Override
    public boolean exists(DomId domain) {
        return domain.equals(DomId.DOM0) || exists.test(domain);
    }

    /// The ring of a domain for a tool that introduces it again. This service must have introduced it before.
    @Override
    public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
        StoreChannel channel = channels.get(domain);
        if (channel == null) {
            throw exists(domain) ? XenError.EINVAL : XenError.ENOENT;
        }
        return channel.introduced(gfn, port);
    }

    @Override
    public void released(DomId domain) {
        StoreChannel channel = channels.get(domain);
        if (channel != null) {
            channel.released();
        }
    }
}
