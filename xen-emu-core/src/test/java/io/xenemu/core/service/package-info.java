@NullMarked
package io.xenemu.core.service;

import org.jspecify.annotations.NullMarked;
