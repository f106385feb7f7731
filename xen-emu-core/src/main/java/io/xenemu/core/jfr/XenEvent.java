package io.xenemu.core.jfr;

import jdk.jfr.Category;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.StackTrace;

/// An event of Java Flight Recorder about one domain. All kinds are off unless a recording turns them on by name.
@Category("Xen")
@Enabled(false)
@StackTrace(false)
abstract class XenEvent extends Event {
    /// The domain's id.
    @Label("Domain")
    int domain;

    XenEvent(int domain) {
        this.domain = domain;
    }
}
