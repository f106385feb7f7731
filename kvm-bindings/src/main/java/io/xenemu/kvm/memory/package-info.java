/// Guest physical memory, page-table walks and the layouts of structures that guests pass by address.
@NullMarked
package io.xenemu.kvm.memory;

import org.jspecify.annotations.NullMarked;
