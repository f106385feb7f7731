/// Xen ABI basics that every module shares.
///
/// [DomId] and [VcpuId] are ids, [GuestWidth] is the width of a guest's `long`. [XenError] is a guest's fault and
/// has Xen's numbers; [Errno] are Linux's; [KvmException] is the host's fault. [IoReason] puts an I/O failure into
/// words for an operator.
@NullMarked
package io.xenemu.kvm.abi;

import org.jspecify.annotations.NullMarked;
