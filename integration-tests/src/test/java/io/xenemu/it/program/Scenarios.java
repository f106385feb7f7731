package io.xenemu.it.program;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.base.Splitter;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.List;

/// Scenarios that a program plays in one JVM, one after another: a line of its standard input for each.
public final class Scenarios {
    /// Begins the line after each scenario.
    public static final String OVER = "scenario: ";

    /// Follows [#OVER] if it has not failed.
    public static final String WELL = "well";

    private Scenarios() {}

    /// Plays one.
    public interface Player {
        /// From its beginning to its end.
        ///
        /// @throws Exception if anything is not as it should be
        void play(List<String> words) throws Exception;
    }

    /// Plays what standard input says, to its end.
    public static void serve(Player player) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String end = WELL;
            try {
                player.play(Splitter.on(' ').splitToList(line));
            } catch (Exception e) {
                e.printStackTrace(System.out);
                end = e.toString();
            }
            System.out.println(OVER + end);
        }
    }
}
