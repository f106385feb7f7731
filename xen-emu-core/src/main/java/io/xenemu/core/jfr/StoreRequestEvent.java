package io.xenemu.core.jfr;

import jdk.jfr.Label;
import jdk.jfr.Name;

/// A guest's request to XenStore that has been served.
@Name("io.xenemu.XenStore")
@Label("XenStore Request")
final class StoreRequestEvent extends XenEvent {
    @Label("Request")
    String request;

    @Label("Answer")
    String answer;

    StoreRequestEvent(int domain, String request, String answer) {
        super(domain);
        this.request = request;
        this.answer = answer;
    }
}
