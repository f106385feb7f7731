@NullMarked
package io.xenemu.core.web;

import org.jspecify.annotations.NullMarked;
