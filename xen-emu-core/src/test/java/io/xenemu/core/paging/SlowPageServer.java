package io.xenemu.core.paging;

import io.xenemu.core.migration.PageRunSink;
import java.io.IOException;
import java.nio.file.Path;

/// A page server for which each page is half a second away, as by a slow network.
final class SlowPageServer {
    private static final long MILLIS = 500;

    private SlowPageServer() {}

    private record Slow(PageSource source) implements PageSource {
        @Override
        public boolean has(int page) {
            return source.has(page);
        }

        private static void pause() throws IOException {
            try {
                Thread.sleep(MILLIS);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }

        @Override
        public void bring(int page, PageRunSink sink) throws IOException {
            pause();
            source.bring(page, sink);
        }

        @Override
        public boolean bringNext(PageRunSink sink) throws IOException {
            pause();
            return source.bringNext(sink);
        }

        @Override
        public void close() throws IOException {
            source.close();
        }
    }

    /// Serves until the service has gone.
    ///
    /// @param words its socket
    public static void main(String[] words) throws IOException {
        try (PageServer server =
                PageServer.connect(
                        Path.of(words[0]),
                        (add, file) ->
                                new Slow(FilePages.open(file.fd(), add.start(), add.total())))) {
            server.run();
        }
    }
}
