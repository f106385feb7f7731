/// Lab tests of VMMs in other processes, whose guests the service serves: [AttachedVmmIT]. Devices in other processes:
/// [RemoteDevicesIT].
@NullMarked
package io.xenemu.it.attach;

import org.jspecify.annotations.NullMarked;
