package io.xenemu.it.bench;

/// Numbers on the command line of a benchmark. The last ones may be left out.
final class NumberArguments {
    private NumberArguments() {}

    /// Reads them. Ends the program with the usage for `--help`, and with status 2 for anything that is not understood.
    ///
    /// @param usage the program's name and the names of its arguments
    /// @param defaults one for each argument
    static int[] read(String usage, String[] args, int... defaults) {
        if (args.length > 0 && (args[0].equals("--help") || args[0].equals("-h"))) {
            System.out.println("Usage: integration-tests/bin/" + usage);
            System.exit(0);
        }
        try {
            return read(args, defaults);
        } catch (IllegalArgumentException e) {
            System.err.println("not understood: " + String.join(" ", args));
            System.err.println("Usage: integration-tests/bin/" + usage);
            System.exit(2);
            throw e;
        }
    }

    /// Reads positive numbers.
    ///
    /// @throws IllegalArgumentException if there are too many, or one is not positive
    static int[] read(String[] args, int... defaults) {
        if (args.length > defaults.length) {
            throw new IllegalArgumentException("too many");
        }
        int[] numbers = defaults.clone();
        for (int i = 0; i < args.length; i++) {
            numbers[i] = Integer.parseInt(args[i]);
            if (numbers[i] <= 0) {
                throw new IllegalArgumentException(args[i]);
            }
        }
        return numbers;
    }
}
