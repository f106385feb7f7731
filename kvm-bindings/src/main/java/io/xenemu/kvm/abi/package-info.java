/// Xen ABI basics that every module shares: error numbers, domain and vCPU ids, the guest's word width.
@NullMarked
package io.xenemu.kvm.abi;

import org.jspecify.annotations.NullMarked;
