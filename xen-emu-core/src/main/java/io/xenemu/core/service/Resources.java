package io.xenemu.core.service;

import io.xenemu.core.host.Teardown;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Open resources, which are closed in reverse order.
final class Resources implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Resources.class);

    private final Teardown closers = new Teardown();

    /// Closes one thing.
    interface Closer<T> {
        void close(T resource) throws IOException;
    }

    <T> T add(T resource, Closer<T> closer) {
        closers.add(() -> {
            try {
                closer.close(resource);
            } catch (IOException e) {
                log.warn("cannot close {}: {}", resource, e.toString());
            }
        });
        return resource;
    }

    @Override
    public void close() {
        closers.close();
    }
}
