/// Devices that the VMM emulates or provides itself: I/O ports, the serial port, the PV console and the terminal
/// behind it.
@NullMarked
package io.xenemu.core.device;

import org.jspecify.annotations.NullMarked;
