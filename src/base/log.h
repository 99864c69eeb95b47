/* log: lines on stderr, one per event, at most 1 KiB each, written whole.
 *
 * The log never waits for its reader, since that would also delay a stop. A line that does not fit
 * into the pipe is dropped and counted.
 *
 * Docker keeps all lines by default. A program that writes the port file, or poses as qBittorrent,
 * could fill the disk with them. So at most LOG_MINUTE_MAX lines a minute are written; at LEVEL_DEBUG,
 * all of them. */
#ifndef QSTICKY_BASE_LOG_H
#define QSTICKY_BASE_LOG_H

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { FORMAT_TEXT, FORMAT_JSON };

/* Longest line in bytes, newline included. At most PIPE_BUF, so that lines of two writers never mix. */
#define LOG_LINE_MAX 1024

/* Lines a minute. A port that changes every second makes 120. */
#define LOG_MINUTE_MAX 240

/* Sets level and format. Before the first call: LEVEL_INFO and FORMAT_TEXT. */
void log_start(enum log_level least, enum log_format format);

/* Writes a line if `level` is at least the one set. Escapes control characters; a line that is too
 * long ends in "...". Never blocks, never fails, keeps errno. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lifts the limit of this minute, so that the last lines before the exit are written. */
void log_last(void);

#endif
