/// What tests of several packages share.
@NullMarked
package io.xenemu.kvm;

import org.jspecify.annotations.NullMarked;
