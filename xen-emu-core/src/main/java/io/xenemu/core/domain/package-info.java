/// Domains: memory, special pages, vCPU threads, parameters, and the wiring of the modules to KVM.
@NullMarked
package io.xenemu.core.domain;

import org.jspecify.annotations.NullMarked;
