package io.xenemu.xenstore.request;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.Request;

/// The requests that start and end transports. The server handles them, since the store does not know transports.
public interface DomainRequests {
    void introduce(Request.Introduce request) throws XenError;

    void release(DomId domain) throws XenError;
}
