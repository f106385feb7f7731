/// Interrupt lines for devices in other processes: the protocol by which such a process gets them, and its hub of
/// lines. `src/main/native/xen_iohub_wire.h` describes the protocol for authors of devices, and `xen_iohub.h` is
/// the hub in C.
///
/// - Messages, for both sides: [IoHubMessage]; their structures [IoHubLayouts], compared with the header by a test.
/// - A process: [IoHubClient], and its lines [IoHub].
///
/// The monitor of a line in [IoHub] is a leaf. Any thread raises and lowers lines; one waits for the ends of
/// interrupts.
@NullMarked
package io.xenemu.kvm.iohub;

import org.jspecify.annotations.NullMarked;
