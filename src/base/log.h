/* log: lines on stderr, one an event, at most 1 KiB each, written whole.
 *
 * The reader may be slow or gone: a line that the pipe has no room for now is dropped and counted,
 * since waiting for a reader would stop the job and the stop alike.
 *
 * Docker keeps all lines, unless told otherwise. Whoever writes the port file, or answers in the place of
 * qBittorrent, could fill a disk with them. So a minute takes LOG_MINUTE_MAX; with LEVEL_DEBUG, any number. */
#ifndef QSTICKY_BASE_LOG_H
#define QSTICKY_BASE_LOG_H

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { FORMAT_TEXT, FORMAT_JSON };

/* Longest line in bytes, newline included. At most PIPE_BUF, so that lines never mix. */
#define LOG_LINE_MAX 1024

/* Lines a minute. A port that changes every second makes 120. */
#define LOG_MINUTE_MAX 240

/* Sets what is written from now on. Before the first call: LEVEL_INFO and FORMAT_TEXT. */
void log_start(enum log_level least, enum log_format format);

/* Writes a line if `level` is at least the one set. Control characters are escaped, a line that
 * would be too long ends in "...". Never blocks, never fails, leaves errno as it was. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for the lines that say why this ends, however many there were in this minute. */
void log_last(void);

#endif
