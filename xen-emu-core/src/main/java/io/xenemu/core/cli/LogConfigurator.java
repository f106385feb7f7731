package io.xenemu.core.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.spi.ContextAwareBase;
import io.xenemu.core.control.LogRing;
import org.slf4j.Logger;

/// Makes logback write to standard error, with the form and the level that [LogSettings] has chosen. This is code,
/// since an XML file took a fifth of a service's start to read.
public final class LogConfigurator extends ContextAwareBase implements Configurator {
    /// The level of the root logger, a system property.
    static final String LEVEL = "xen-emu.log.level";

    /// A pattern of logback's, a system property.
    static final String FORM = "xen-emu.log.form";

    private static final String DEFAULT_FORM = "xen-emu: %level [%thread] %msg%n";

    public LogConfigurator() {}

    @Override
    public ExecutionStatus configure(LoggerContext context) {
        PatternLayoutEncoder encoder = new PatternLayoutEncoder();
        encoder.setContext(context);
        encoder.setPattern(System.getProperty(FORM, DEFAULT_FORM));
        encoder.start();
        ConsoleAppender<ILoggingEvent> stderr = new ConsoleAppender<>();
        stderr.setContext(context);
        stderr.setName("stderr");
        stderr.setTarget("System.err");
        stderr.setEncoder(encoder);
        stderr.start();
        ch.qos.logback.classic.Logger root = context.getLogger(Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.toLevel(System.getProperty(LEVEL), Level.WARN));
        root.addAppender(stderr);
        LogRing ring = new LogRing();
        ring.setContext(context);
        ring.start();
        root.addAppender(ring);
        return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
    }
}
