package io.xenemu.core.lab;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/// A script that belongs to this package.
final class Resource {
    private Resource() {}

    static byte[] bytes(String name) {
        try (InputStream in = Resource.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("resource " + name + " is missing");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
