package io.xenemu.core.cli;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Runs `xen-emu` commands one after the other in a process of its own, with an environment of its own. One process
/// serves all, since the start of a JVM takes most of a command's time.
public final class ToolRunner implements AutoCloseable {
    private final Process process;
    private final DataOutputStream requests;
    private final DataInputStream answers;
    private String errors = "";

    private ToolRunner(Process process) {
        this.process = process;
        this.requests = new DataOutputStream(process.getOutputStream());
        this.answers = new DataInputStream(process.getInputStream());
    }

    /// The result of a command.
    ///
    /// @param output its standard output, a character for each byte
    public record Result(int exit, String output) {}

    /// Starts the process.
    public static ToolRunner start(Map<String, String> environment) throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                ToolRunner.class.getName())
                        .redirectError(Redirect.DISCARD);
        builder.environment().putAll(environment);
        return new ToolRunner(builder.start());
    }

    /// Runs a command, without anything to read.
    public Result run(List<String> arguments) throws IOException {
        requests.writeInt(arguments.size());
        for (String argument : arguments) {
            requests.writeUTF(argument);
        }
        requests.flush();
        int exit = answers.readInt();
        byte[] output = answers.readNBytes(answers.readInt());
        errors = new String(answers.readNBytes(answers.readInt()), StandardCharsets.UTF_8);
        return new Result(exit, new String(output, StandardCharsets.ISO_8859_1));
    }

    /// The standard error of the last command.
    public String errors() {
        return errors;
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /// The process.
    public static void main(String[] none) throws IOException {
        DataInputStream requests = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        while (true) {
            int count = requests.readInt();
            List<String> arguments = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                arguments.add(requests.readUTF());
            }
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            ByteArrayOutputStream errors = new ByteArrayOutputStream();
            System.setOut(new PrintStream(output, false, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(errors, true, StandardCharsets.UTF_8));
            String[] args = arguments.toArray(String[]::new);
            int exit = XenEmu.commandLine(args).execute(args);
            System.out.flush();
            answers.writeInt(exit);
            answers.writeInt(output.size());
            output.writeTo(answers);
            answers.writeInt(errors.size());
            errors.writeTo(answers);
            answers.flush();
        }
    }
}
